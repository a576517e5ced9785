"""What a graph may name of its organization: what the vault has, and the agents that can be run."""

from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from agentflow_app.agents.models import Agent
from agentflow_app.core.database import Transaction
from agentflow_app.core.tenancy import Actor
from agentflow_app.vault.names import names_here
from engine.problems import KnownNames


@dataclass(frozen=True, slots=True)
class AgentName:
    id: str
    name: str


async def names_for(tx: Transaction, org_id: UUID, own: UUID) -> KnownNames:
    """For use cases that have authorised already. The agent itself counts: publishing makes it known."""
    runnable = {each.id for each in await _runnable(tx, org_id)}
    return replace(await names_here(tx, org_id), agents=runnable | {str(own)})


async def runnable_agents(tx: Transaction, actor: Actor) -> list[AgentName]:
    """Those that were published and are not archived, by name."""
    actor.require("agents:read")
    return await _runnable(tx, actor.org_id)


async def _runnable(tx: Transaction, org_id: UUID) -> list[AgentName]:
    query = (
        select(col(Agent.id), col(Agent.name))
        .where(
            col(Agent.org_id) == org_id,
            col(Agent.latest_version).is_not(None),
            col(Agent.status) != "archived",
        )
        .order_by(col(Agent.name), col(Agent.id))
    )
    return [AgentName(str(row[0]), row[1]) for row in await tx.execute(query)]
