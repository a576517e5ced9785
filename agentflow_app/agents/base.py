"""What the agent use cases share: finding an agent of the actor's organization, and showing it."""

from collections.abc import Set
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from agentflow_app.agents.models import Agent
from agentflow_app.agents.schemas import AgentOut, AgentStats
from agentflow_app.core.addresses import public_address, token_of
from agentflow_app.core.clock import utcnow
from agentflow_app.core.crypto import cell, unseal
from agentflow_app.core.database import Transaction
from agentflow_app.core.errors import Conflict, NotFound
from agentflow_app.core.settings import settings
from agentflow_app.core.tenancy import Actor
from engine.nodes.trigger.schedule import ScheduleConfig

FORM = "agent-form"
"""What the tokens of forms' addresses are made for."""


class AgentNotFound(NotFound):
    code = "AGENT_NOT_FOUND"

    def __init__(self, agent_id: UUID) -> None:
        super().__init__(f"There is no agent {agent_id}")


class AgentNotActive(Conflict):
    code = "AGENT_NOT_ACTIVE"


class AgentUseCases:
    """Bound to one transaction and one actor."""

    def __init__(self, tx: Transaction, actor: Actor) -> None:
        self.tx = tx
        self.actor = actor

    async def load(self, agent_id: UUID, *, lock: bool = False) -> Agent:
        """Raises AgentNotFound, also for another organization's agent."""
        query = select(Agent).where(col(Agent.id) == agent_id, col(Agent.org_id) == self.actor.org_id)
        if lock:
            query = query.with_for_update(key_share=True)
        agent = (await self.tx.execute(query)).scalar_one_or_none()
        if agent is None:
            raise AgentNotFound(agent_id)
        return agent


def webhook_url(hook_token: str) -> str:
    """Absolute where the public address is known, else relative to the app's."""
    return f"{(settings().public_url or '').rstrip('/')}/api/v1/hooks/{hook_token}"


def hook_cell(agent_id: UUID) -> str:
    return cell("agents", "hook_sealed", agent_id)


def _next_runs(config: dict[str, Any]) -> list[str]:
    """The next five, in UTC; none where it was made before its time zone went away."""
    try:
        plan = ScheduleConfig.model_validate(config).schedule()
    except ValueError:
        return []
    return [each.isoformat().replace("+00:00", "Z") for each in plan.upcoming(utcnow(), 5)]


def _trigger_kinds(definition: dict[str, Any]) -> set[str]:
    return {node["subtype"] for node in definition.get("nodes", []) if node["type"] == "trigger"}


async def addresses(agent: Agent, kinds: Set[str]) -> dict[str, str]:
    """Where triggers of these kinds are reached, of `webhook` and `form`."""
    found = {}
    if "webhook" in kinds:
        token = await unseal(agent.hook_sealed, hook_cell(agent.id))
        found["webhook_url"] = webhook_url(token.decode())
    if "form" in kinds:
        found["form_url"] = public_address("forms", token_of(FORM, agent.id, agent.org_id))
    return found


async def render_agent(agent: Agent, stats: AgentStats, actor: Actor) -> AgentOut:
    """The addresses start runs for whoever has them, so only those who may do that see them."""
    config = dict(agent.trigger_config)
    if actor.can("executions:write"):
        kinds = {agent.trigger_type, *_trigger_kinds(agent.draft)}
        config |= await addresses(agent, {"webhook", "form"} & kinds)
    if agent.trigger_type == "schedule" and agent.status == "active":
        config["next_runs"] = _next_runs(agent.trigger_config)
    return AgentOut(
        **agent.model_dump(exclude={"trigger_config", "status", "hook_hash", "hook_sealed"}),
        status=agent.status,
        trigger_config=config,
        stats=stats,
    )
