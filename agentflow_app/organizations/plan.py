"""What an organization's plan allows."""

from sqlalchemy import select
from sqlmodel import col

from agentflow_app.core.database import Transaction
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.core.settings import settings
from agentflow_app.core.tenancy import Actor
from agentflow_app.organizations.models import Organization


async def count_execution(tx: Transaction, actor: Actor) -> None:
    """Raises TooManyRequests where the plan allows no more executions for now."""
    if not settings().rate_limit_plans:
        return
    query = select(col(Organization.plan)).where(col(Organization.id) == actor.org_id)
    await rate_limits().executions(actor.org_id, (await tx.execute(query)).scalar_one())
