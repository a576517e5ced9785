"""The agent use cases: made, listed, changed, paused, archived; drafts and versions beside them."""

from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlmodel import col

from agentflow_app.accounts.tokens import digest, new_secret
from agentflow_app.agents.base import AgentNotActive, addresses, hook_cell, render_agent
from agentflow_app.agents.definitions import EMPTY, parse
from agentflow_app.agents.models import Agent
from agentflow_app.agents.schemas import (
    AgentCreate,
    AgentOut,
    AgentQuery,
    AgentSettings,
    AgentStats,
    AgentUpdate,
)
from agentflow_app.agents.versions import VersionUseCases, trigger_of
from agentflow_app.audit.service import record
from agentflow_app.core.clock import utcnow
from agentflow_app.core.crypto import seal
from agentflow_app.core.errors import ValidationFailed
from agentflow_app.core.ids import new_id, new_slug
from agentflow_app.core.pagination import Page, like, paginate
from agentflow_app.executions.statistics import agent_statistics
from agentflow_app.schedules import keeping as schedules

_SORT = {
    "created_at": col(Agent.created_at),
    "updated_at": col(Agent.updated_at),
    "name": col(Agent.name),
}


class AgentService(VersionUseCases):
    """Everything one may do with agents, as one actor in one transaction."""

    async def create(self, data: AgentCreate) -> AgentOut:
        """Makes a draft, empty but for its trigger unless a graph is given."""
        self.actor.require("agents:write")
        agent_id = new_id()
        definition = data.definition if data.definition is not None else _first_draft(data)
        parsed = parse(definition)
        trigger_type, trigger_config = trigger_of(parsed)
        await self._ensure_error_agent(data.settings)
        hook = new_secret()
        agent = Agent(
            id=agent_id,
            org_id=self.actor.org_id,
            created_by=self.actor.user_id,
            name=data.name,
            slug=new_slug(data.name, suffix=agent_id.hex[-6:]),
            description=data.description,
            category=data.category,
            trigger_type=data.trigger_type or trigger_type,
            trigger_config=data.trigger_config or trigger_config,
            settings=data.settings.model_dump(mode="json"),
            draft=parsed.to_json(),
            hook_hash=digest(hook),
            hook_sealed=await seal(hook.encode(), hook_cell(agent_id)),
        )
        self.tx.add(agent)
        record(self.tx, self.actor, "agent.created", "agent", agent_id, {"name": data.name})
        await self.tx.flush()
        return await render_agent(agent, AgentStats(), self.actor)

    async def list(self, query: AgentQuery) -> Page[AgentOut]:
        """Archived agents only where the status filter asks for them."""
        self.actor.require("agents:read")
        statement = select(Agent).where(col(Agent.org_id) == self.actor.org_id)
        if query.status:
            statement = statement.where(col(Agent.status) == query.status)
        else:
            statement = statement.where(col(Agent.status) != "archived")
        if query.trigger_type:
            statement = statement.where(col(Agent.trigger_type) == query.trigger_type)
        if query.category:
            statement = statement.where(col(Agent.category) == query.category)
        if query.search:
            pattern = like(query.search)
            statement = statement.where(
                or_(col(Agent.name).ilike(pattern), col(Agent.description).ilike(pattern))
            )
        page = await paginate(self.tx, statement, query, _SORT, col(Agent.id), _same)
        stats = await agent_statistics(self.tx, [agent.id for agent in page.data])
        return Page(
            data=[
                await render_agent(agent, stats.get(agent.id, AgentStats()), self.actor)
                for agent in page.data
            ],
            next_cursor=page.next_cursor,
        )

    async def names(self, agent_ids: set[UUID]) -> dict[UUID, str]:
        """What agents are called, archived ones too."""
        rows = await self.tx.execute(
            select(col(Agent.id), col(Agent.name)).where(col(Agent.id).in_(agent_ids))
        )
        return {row[0]: row[1] for row in rows}

    async def ids_named(self, term: str) -> set[UUID]:
        """Agents whose name contains `term`."""
        rows = await self.tx.execute(
            select(col(Agent.id)).where(
                col(Agent.org_id) == self.actor.org_id, col(Agent.name).ilike(like(term))
            )
        )
        return set(rows.scalars())

    async def get(self, agent_id: UUID) -> AgentOut:
        self.actor.require("agents:read")
        return await self._shown(await self.load(agent_id))

    async def addresses(self, agent_id: UUID) -> dict[str, str]:
        """Its `webhook_url` and `form_url`, whatever its triggers are; none for who may not start runs."""
        self.actor.require("agents:read")
        agent = await self.load(agent_id)
        return await addresses(agent, {"webhook", "form"}) if self.actor.can("executions:write") else {}

    async def update(self, agent_id: UUID, data: AgentUpdate) -> AgentOut:
        self.actor.require("agents:write")
        agent = await self.load(agent_id, lock=True)
        await self._ensure_error_agent(data.settings)
        changes = data.model_dump(mode="json", exclude_unset=True)
        changes.pop("settings", None)
        if data.settings is not None:
            # All of them: one that is left out has its default, and a run reads what is stored.
            changes["settings"] = data.settings.model_dump(mode="json")
        if changes.get("name") is None:
            changes.pop("name", None)
        for name, value in changes.items():
            setattr(agent, name, value)
        agent.updated_at = utcnow()
        record(self.tx, self.actor, "agent.updated", "agent", agent.id, {"fields": sorted(changes)})
        await self.tx.flush()
        return await self._shown(agent)

    async def _ensure_error_agent(self, settings: AgentSettings | None) -> None:
        """Raises ValidationFailed unless it is an agent of this organization."""
        wanted = settings.error_agent_id if settings else None
        if wanted is not None and wanted not in await self.names({wanted}):
            raise ValidationFailed(fields={"settings.error_agent_id": "there is no such agent"})

    async def archive(self, agent_id: UUID) -> None:
        """Takes it out of use and out of the lists; its history stays."""
        self.actor.require("agents:delete")
        agent = await self.load(agent_id, lock=True)
        if agent.status != "archived":
            agent.status = "archived"
            await schedules.remove(self.tx, agent.id)
            agent.updated_at = utcnow()
            record(self.tx, self.actor, "agent.archived", "agent", agent.id)
            await self.tx.flush()

    async def set_status(self, agent_id: UUID, status: str) -> AgentOut:
        """`active` or `paused`; brings an archived agent back. Raises AgentNotActive if never published."""
        self.actor.require("agents:write")
        agent = await self.load(agent_id, lock=True)
        if agent.status == "archived":
            self.actor.require("agents:delete")
        if agent.latest_version is None:
            raise AgentNotActive("The agent was never published; publish it first")
        if agent.status != status:
            agent.status = status
            if status == "active":
                live = await self._find(agent.id, agent.latest_version)
                await schedules.keep(self.tx, agent.org_id, agent.id, parse(live.definition))
            else:
                await schedules.pause(self.tx, agent.id)
            agent.updated_at = utcnow()
            record(self.tx, self.actor, f"agent.{status}", "agent", agent.id)
            await self.tx.flush()
        return await self._shown(agent)

    async def _shown(self, agent: Agent) -> AgentOut:
        await self.tx.refresh(agent)
        stats = await agent_statistics(self.tx, [agent.id])
        return await render_agent(agent, stats.get(agent.id, AgentStats()), self.actor)


def _same(agent: Agent) -> Agent:
    return agent


def _first_draft(data: AgentCreate) -> dict[str, Any]:
    if data.trigger_type is None:
        return dict(EMPTY)
    trigger = {
        "id": "start",
        "type": "trigger",
        "subtype": data.trigger_type,
        "label": "Start",
        "config": data.trigger_config,
        "position": {"x": 0, "y": 0},
    }
    return {**EMPTY, "nodes": [trigger]}
