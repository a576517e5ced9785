"""How a person can come in, so that they never take the last way from themselves."""

from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from agentflow_app.accounts.models import Passkey, User
from agentflow_app.core.database import Transaction
from agentflow_app.core.errors import Conflict
from agentflow_app.organizations.models import Membership
from agentflow_app.sso.enforcement import enforcing_organization
from agentflow_app.sso.identities import identities_of


class LastWayIn(Conflict):
    code = "LAST_WAY_IN"

    def __init__(self) -> None:
        super().__init__(
            "This is the only way in that you have: set a password, add a passkey or link another provider"
            " first"
        )


async def held_to_sso(tx: Transaction, user: User) -> UUID | None:
    """The organization that demands its own provider of this member; it does not of owners."""
    org_id = await enforcing_organization(tx, user.email)
    if org_id is None:
        return None
    query = select(col(Membership.org_id)).where(
        col(Membership.user_id) == user.id, col(Membership.org_id) == org_id, col(Membership.role) != "owner"
    )
    return (await tx.execute(query)).scalar_one_or_none()


async def ways_in(tx: Transaction, user: User) -> set[UUID]:
    """The ids of the passkeys and identities that let them in; the account's own stands for its password."""
    held = [each for each in await identities_of(tx, user.id) if each.usable]
    demanding = await held_to_sso(tx, user)
    if demanding is not None:
        return {each.id for each in held if each.org_id == demanding}
    shut = await enforcing_organization(tx, user.email) is not None
    found = {each.id for each in held if each.kind == "sso" or not shut}
    keys = select(col(Passkey.id)).where(col(Passkey.user_id) == user.id)
    found |= set((await tx.execute(keys)).scalars())
    return found | ({user.id} if user.password_hash else set())


async def ensure_not_last(tx: Transaction, user: User, way: UUID) -> None:
    """Before the passkey or identity `way` goes; `user` is locked. Raises LastWayIn."""
    if await ways_in(tx, user) == {way}:
        raise LastWayIn
