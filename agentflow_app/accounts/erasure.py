"""The end of an account: a row without a name stays, so that what the person did keeps its place."""

from sqlalchemy import func, select, text
from sqlmodel import col

from agentflow_app.accounts.active import person_of, user_of
from agentflow_app.accounts.models import User
from agentflow_app.accounts.operators import NoSuchAccount
from agentflow_app.accounts.proof import ensure_proved
from agentflow_app.accounts.schemas import AccountDelete
from agentflow_app.accounts.sessions import end_sessions
from agentflow_app.audit import people
from agentflow_app.audit.service import record
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import Conflict, ValidationFailed
from agentflow_app.core.schemas import address_of
from agentflow_app.core.tenancy import Actor
from agentflow_app.mail.service import forget_letters
from agentflow_app.organizations.models import Membership, Organization

_ERASE = text("SELECT erase_person(:person)")


class OnlyOwner(Conflict):
    code = "ONLY_OWNER"

    def __init__(self, organizations: list[Organization]) -> None:
        names = ", ".join(each.name for each in organizations)
        super().__init__(
            f"Nobody else owns {names}: hand over or delete what only you own first",
            details={"organizations": [{"id": str(each.id), "name": each.name} for each in organizations]},
        )


async def erase_account(actor: Actor, data: AccountDelete) -> None:
    """One's own. Raises ValidationFailed for a wrong password or address, ProofNeeded and OnlyOwner."""
    user_id = person_of(actor)
    if address_of(data.confirm) != actor.email:
        raise ValidationFailed(fields={"confirm": "is not your e-mail address"})
    await ensure_proved(actor, data.password)
    async with database().system() as tx:
        await _erase(tx, await user_of(tx, user_id, lock=True), "self")


async def operator_erase(email: str) -> None:
    """Raises NoSuchAccount or OnlyOwner."""
    async with database().system() as tx:
        query = select(User).where(col(User.email) == address_of(email))
        user = (await tx.execute(query.with_for_update())).scalar_one_or_none()
        if user is None:
            raise NoSuchAccount
        await _erase(tx, user, "operator")


async def _erase(tx: Transaction, user: User, by: str) -> None:
    belongs = (
        select(Organization)
        .join(Membership, col(Membership.org_id) == col(Organization.id))
        .where(col(Membership.user_id) == user.id)
        .order_by(col(Organization.id))
    )
    # Locked first, so that who owns them does not change while it is asked.
    locked = belongs.with_for_update(of=Organization, key_share=True)
    organizations = (await tx.execute(locked)).scalars().all()
    mine = select(col(Membership.org_id)).where(
        col(Membership.user_id) == user.id, col(Membership.role) == "owner"
    )
    others = (
        select(col(Membership.org_id))
        .join(User, col(User.id) == col(Membership.user_id))
        .where(
            col(Membership.role) == "owner",
            col(Membership.status) == "active",
            col(Membership.user_id) != user.id,
            col(User.is_active),
        )
    )
    needed = set((await tx.execute(mine)).scalars()) - set((await tx.execute(others)).scalars())
    left = [each for each in organizations if each.id in needed and each.deleted_at is None]
    if left:
        raise OnlyOwner(left)
    await forget_letters(tx, user.email)
    await end_sessions(tx, user.id)
    await tx.execute(_ERASE, {"person": user.id})
    await people.erase(tx, user.id)
    for each in organizations:
        # Told of nobody: an entry of the person's would need a key of theirs again.
        teller = Actor(None, each.id, "viewer", "", "", "")
        record(tx, teller, "user.erased", "user", user.id, {"by": by})


async def sweep_erased() -> None:
    """Traces that were being written while their person was erased become unreadable too."""
    stub = func.concat("erased-", col(User.id), "@erased.invalid")
    query = select(col(User.id)).where(
        col(User.email) == stub, col(User.is_active).is_(False), col(User.password_hash).is_(None)
    )
    async with database().system() as tx:
        await people.erase(tx, *(await tx.execute(query)).scalars())
