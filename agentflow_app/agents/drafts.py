"""The working copy: read, saved with its revision, and set back to a version."""

from typing import Any
from uuid import UUID

from agentflow_app.agents.base import AgentUseCases
from agentflow_app.agents.definitions import InvalidDefinition, parse, problems_of
from agentflow_app.agents.models import Agent
from agentflow_app.agents.names import names_for
from agentflow_app.agents.schemas import DraftOut, DraftUpdate
from agentflow_app.core.clock import utcnow
from agentflow_app.core.errors import Conflict
from engine.problems import KnownNames


class DraftConflict(Conflict):
    """Somebody else saved in between. `details` has both sides: `current` and `yours`."""

    code = "DRAFT_CONFLICT"


class DraftUseCases(AgentUseCases):
    async def get_draft(self, agent_id: UUID) -> DraftOut:
        self.actor.require("agents:read")
        return await self.shown_draft(await self.load(agent_id))

    async def save_draft(self, agent_id: UUID, data: DraftUpdate) -> DraftOut:
        """Takes any graph that parses. Raises InvalidDefinition or DraftConflict."""
        self.actor.require("agents:write")
        agent = await self.load(agent_id, lock=True)
        definition = parse(data.definition).to_json()
        if data.revision != agent.draft_revision:
            raise DraftConflict(
                "This draft was changed in another tab or by another person; choose which one to keep",
                details={
                    "current": {"definition": agent.draft, "revision": agent.draft_revision},
                    "yours": {"definition": definition, "revision": data.revision},
                },
            )
        replace_draft(agent, definition)
        await self.tx.flush()
        return await self.shown_draft(agent)

    async def shown_draft(self, agent: Agent) -> DraftOut:
        self.actor.require("agents:read")
        return render_draft(agent, await names_for(self.tx, agent.org_id, agent.id))


def replace_draft(agent: Agent, definition: dict[str, Any]) -> None:
    if definition != agent.draft:
        agent.draft = definition
        agent.draft_revision += 1
        agent.updated_at = utcnow()


def render_draft(agent: Agent, names: KnownNames) -> DraftOut:
    try:
        problems = problems_of(parse(agent.draft), names)
    except InvalidDefinition as error:
        # Saved by an older version, with keys that this one no longer knows.
        return DraftOut(
            definition=agent.draft, revision=agent.draft_revision, problems=error.details["problems"]
        )
    return DraftOut(definition=agent.draft, revision=agent.draft_revision, problems=problems)
