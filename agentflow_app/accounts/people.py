"""What people are called, for those who share an organization with them."""

from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from agentflow_app.accounts.models import User
from agentflow_app.core.database import Transaction


async def names_of(tx: Transaction, user_ids: set[UUID]) -> dict[UUID, str]:
    """By id; who is no member of the transaction's organization is left out."""
    if not user_ids:
        return {}
    rows = await tx.execute(select(col(User.id), col(User.name)).where(col(User.id).in_(user_ids)))
    return {row[0]: row[1] for row in rows}
