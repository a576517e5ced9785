"""People whom an identity provider vouches for: their organization's, or one that is open to everyone."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from agentflow_app.accounts.models import User
from agentflow_app.accounts.trail import note
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction
from agentflow_app.core.errors import Conflict
from agentflow_app.core.ids import new_id
from agentflow_app.organizations.models import Membership


class AddressUnproved(Conflict):
    """Whoever made the account may not be who owns the address."""

    code = "ADDRESS_UNPROVED"

    def __init__(self) -> None:
        super().__init__(
            "An account with this e-mail address exists, but the address was never verified:"
            " log in with the password and verify it first"
        )


async def arrive(tx: Transaction, email: str, name: str, org_id: UUID) -> UUID:
    """The account of a proved address, made where there is none: without a password. On the system role.

    Raises AddressUnproved for one that is neither verified nor a member already: somebody may have signed up
    with the address of a colleague whom they expected to come.
    """
    await _make(tx, email, name, "sso")
    user = (await tx.execute(select(User).where(col(User.email) == email))).scalar_one()
    if user.email_verified_at is None:
        mine = select(col(Membership.id)).where(
            col(Membership.user_id) == user.id, col(Membership.org_id) == org_id
        )
        if (await tx.execute(mine)).scalar_one_or_none() is None:
            raise AddressUnproved
    return user.id


async def settle(tx: Transaction, email: str, name: str, by: str) -> tuple[UUID, bool]:
    """The same, and whether it was made now; one that is there must have proved the address itself.

    Raises AddressUnproved.
    """
    made = await _make(tx, email, name, by)
    user = (await tx.execute(select(User).where(col(User.email) == email))).scalar_one()
    if user.email_verified_at is None:
        raise AddressUnproved
    if not made:
        await note(tx, user, "user.sign_in_provider_linked", {"provider": by})
    return user.id, made


async def _make(tx: Transaction, email: str, name: str, by: str) -> bool:
    made = insert(User).values(
        id=new_id(),
        email=email,
        name=name,
        auth_provider=by,
        is_active=True,
        is_operator=False,
        email_verified_at=utcnow(),
    )
    new = made.on_conflict_do_nothing(index_elements=["email"]).returning(col(User.id))
    return (await tx.execute(new)).scalar_one_or_none() is not None


async def is_unproved(tx: Transaction, email: str) -> bool:
    """Whether there is an account with this address that nobody proved to be theirs. On the system role."""
    query = select(col(User.id)).where(col(User.email) == email, col(User.email_verified_at).is_(None))
    return (await tx.execute(query)).scalar_one_or_none() is not None
