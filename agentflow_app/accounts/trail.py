"""What happens to an account, in the audit trail of each organization that the person belongs to."""

from typing import Any

from sqlalchemy import select
from sqlmodel import col

from agentflow_app.accounts.models import User
from agentflow_app.audit.service import record
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.schemas import address_of
from agentflow_app.core.tenancy import Actor
from agentflow_app.organizations.models import Membership


async def note(tx: Transaction, user: User, action: str, details: dict[str, Any] | None = None) -> None:
    """`action` as in `audit.service.record`; the resource is the person. On the system role."""
    query = select(col(Membership.org_id)).where(col(Membership.user_id) == user.id)
    for org_id in (await tx.execute(query.order_by(col(Membership.org_id)))).scalars():
        actor = Actor(user.id, org_id, "viewer", user.email, user.name, "")
        record(tx, actor, action, "user", user.id, details)
    await tx.flush()


async def note_failure(email: str) -> None:
    """A sign-in with a wrong password. After the answer, so that its time does not tell known addresses."""
    async with database().system() as tx:
        query = select(User).where(col(User.email) == address_of(email))
        user = (await tx.execute(query)).scalar_one_or_none()
        if user is not None:
            await note(tx, user, "user.sign_in_failed", {"method": "password"})
