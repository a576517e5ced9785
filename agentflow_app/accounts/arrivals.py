"""People whom an organization's identity provider vouches for."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from agentflow_app.accounts.models import User
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction
from agentflow_app.core.ids import new_id


async def arrive(tx: Transaction, email: str, name: str) -> UUID:
    """The account of a proved address, made where there is none: without a password. On the system role."""
    made = insert(User).values(
        id=new_id(),
        email=email,
        name=name,
        auth_provider="sso",
        is_active=True,
        is_operator=False,
        email_verified_at=utcnow(),
    )
    await tx.execute(made.on_conflict_do_nothing(index_elements=["email"]))
    return (await tx.execute(select(col(User.id)).where(col(User.email) == email))).scalar_one()
