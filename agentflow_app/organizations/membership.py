"""Where a person belongs, whether or not they may act there."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from agentflow_app.core.database import database
from agentflow_app.core.schemas import Output
from agentflow_app.organizations.models import Membership, Organization


class Belonging(Output):
    """`id` and `name` are the organization's."""

    id: UUID
    name: str
    role: str
    status: str
    joined_at: datetime


async def belongings(user_id: UUID) -> list[Belonging]:
    """In the order of joining. Reads across tenants."""
    query = (
        select(Membership, col(Organization.name))
        .join(Organization, col(Organization.id) == col(Membership.org_id))
        .where(col(Membership.user_id) == user_id)
        .order_by(col(Membership.created_at), col(Membership.id))
    )
    async with database().system() as tx:
        rows = (await tx.execute(query)).all()
    return [
        Belonging(id=each.org_id, name=name, role=each.role, status=each.status, joined_at=each.created_at)
        for each, name in rows
    ]
