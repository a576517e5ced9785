"""Published versions: made from the draft or a given graph, listed, compared, taken back into the draft."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlmodel import col

from agentflow_app.agents.base import AgentNotActive
from agentflow_app.agents.definitions import ensure_valid, parse
from agentflow_app.agents.diff import diff
from agentflow_app.agents.drafts import DraftUseCases, replace_draft
from agentflow_app.agents.models import Agent, AgentEdge, AgentNode, AgentVersion
from agentflow_app.agents.names import names_for
from agentflow_app.agents.schemas import DiffOut, DraftOut, PublishRequest, VersionOut, VersionSummary
from agentflow_app.audit.service import record
from agentflow_app.core.clock import utcnow
from agentflow_app.core.errors import NotFound
from agentflow_app.core.ids import new_id
from agentflow_app.core.pagination import Page, PageQuery, paginate
from agentflow_app.schedules import keeping as schedules
from engine.definition import Definition


class VersionNotFound(NotFound):
    code = "VERSION_NOT_FOUND"


class VersionUseCases(DraftUseCases):
    async def publish(self, agent_id: UUID, data: PublishRequest) -> VersionOut:
        """Makes the next version from the given graph, else from the draft. Raises InvalidDefinition."""
        self.actor.require("agents:write")
        agent = await self.load(agent_id, lock=True)
        if agent.status == "archived":
            raise AgentNotActive("The agent is archived; set its status before publishing")
        definition = parse(data.definition if data.definition is not None else agent.draft)
        ensure_valid(definition, await names_for(self.tx, agent.org_id, agent.id))
        graph = definition.to_json()
        await self._follow_draft(agent, graph)
        version = await self._write(agent, definition, graph, data.change_message)
        agent.latest_version = version.version
        agent.status = "active"
        agent.trigger_type, agent.trigger_config = trigger_of(definition)
        agent.updated_at = utcnow()
        await schedules.keep(self.tx, agent.org_id, agent.id, definition)
        record(self.tx, self.actor, "agent.published", "agent", agent.id, {"version": version.version})
        await self.tx.flush()
        return VersionOut.model_validate(version)

    async def _follow_draft(self, agent: Agent, graph: dict[str, Any]) -> None:
        """A draft without edits of its own moves on with what is published; edits are left alone."""
        live = await self._find(agent.id, agent.latest_version) if agent.latest_version else None
        untouched = agent.draft == live.definition if live else agent.draft_revision == 1
        if untouched:
            replace_draft(agent, graph)

    async def _write(
        self, agent: Agent, definition: Definition, graph: dict[str, Any], message: str | None
    ) -> AgentVersion:
        latest = await self.tx.execute(
            select(func.max(col(AgentVersion.version))).where(col(AgentVersion.agent_id) == agent.id)
        )
        await self.tx.execute(
            update(AgentVersion)
            .where(col(AgentVersion.agent_id) == agent.id, col(AgentVersion.is_published))
            .values(is_published=False)
        )
        version = AgentVersion(
            org_id=agent.org_id,
            agent_id=agent.id,
            version=(latest.scalar_one() or 0) + 1,
            definition=graph,
            change_message=message,
            created_by=self.actor.user_id,
            is_published=True,
        )
        self.tx.add(version)
        await self.tx.flush()
        ids = {node.id: new_id() for node in definition.nodes}
        self.tx.add_all(
            AgentNode(
                id=ids[node.id],
                org_id=agent.org_id,
                agent_version_id=version.id,
                node_key=node.id,
                node_type=node.type,
                node_subtype=node.subtype,
                label=node.label,
                config=node.config,
                position_x=node.position.x if node.position else 0,
                position_y=node.position.y if node.position else 0,
            )
            for node in definition.nodes
        )
        await self.tx.flush()
        self.tx.add_all(
            AgentEdge(
                org_id=agent.org_id,
                agent_version_id=version.id,
                source_node_id=ids[edge.source],
                target_node_id=ids[edge.target],
                source_handle=edge.source_handle,
                condition=edge.condition,
                label=edge.label,
            )
            for edge in definition.edges
        )
        await self.tx.flush()
        return version

    async def versions(self, agent_id: UUID, query: PageQuery) -> Page[VersionSummary]:
        self.actor.require("agents:read")
        agent = await self.load(agent_id)
        return await paginate(
            self.tx,
            select(AgentVersion).where(col(AgentVersion.agent_id) == agent.id),
            query,
            {"created_at": col(AgentVersion.created_at), "version": col(AgentVersion.version)},
            col(AgentVersion.id),
            VersionSummary.model_validate,
        )

    async def version(self, agent_id: UUID, number: int) -> VersionOut:
        self.actor.require("agents:read")
        return VersionOut.model_validate(await self._find((await self.load(agent_id)).id, number))

    async def diff(self, agent_id: UUID, before: int, after: int) -> DiffOut:
        self.actor.require("agents:read")
        agent = await self.load(agent_id)
        old, new = await self._find(agent.id, before), await self._find(agent.id, after)
        return diff(old.definition, new.definition)

    async def draft_diff(self, agent_id: UUID) -> DiffOut:
        """From the live version, or nothing, to the draft: what publishing would change."""
        self.actor.require("agents:read")
        agent = await self.load(agent_id)
        live = await self._find(agent.id, agent.latest_version) if agent.latest_version else None
        return diff(live.definition if live else {}, agent.draft)

    async def restore(self, agent_id: UUID, number: int) -> DraftOut:
        """Puts a version's graph into the draft; what is live stays."""
        self.actor.require("agents:write")
        agent = await self.load(agent_id, lock=True)
        version = await self._find(agent.id, number)
        replace_draft(agent, version.definition)
        record(self.tx, self.actor, "agent.restored", "agent", agent.id, {"version": number})
        await self.tx.flush()
        return await self.shown_draft(agent)

    async def live(self, agent_id: UUID) -> tuple[Agent, AgentVersion]:
        """What runs now. Raises AgentNotActive when nothing does."""
        agent = await self.load(agent_id)
        if agent.latest_version is None:
            raise AgentNotActive("The agent was never published; publish it first")
        if agent.status != "active":
            raise AgentNotActive(f"The agent is {agent.status}; set its status to active first")
        return agent, await self._find(agent.id, agent.latest_version)

    async def pinned(self, agent_id: UUID, number: int) -> AgentVersion:
        """The version that a run is to use. Raises VersionNotFound."""
        return await self._find(agent_id, number)

    async def graph(self, version_id: UUID | None) -> dict[str, Any]:
        """The definition of a version, by the version's own id."""
        found = await self.tx.execute(
            select(col(AgentVersion.definition)).where(col(AgentVersion.id) == version_id)
        )
        definition: dict[str, Any] | None = found.scalar_one_or_none()
        if definition is None:
            raise VersionNotFound("The version that this used is gone")
        return definition

    async def _find(self, agent_id: UUID, number: int) -> AgentVersion:
        found = (
            await self.tx.execute(
                select(AgentVersion).where(
                    col(AgentVersion.agent_id) == agent_id, col(AgentVersion.version) == number
                )
            )
        ).scalar_one_or_none()
        if found is None:
            raise VersionNotFound(f"The agent has no version {number}")
        return found


def trigger_of(definition: Definition) -> tuple[str, dict[str, Any]]:
    """The trigger that the outside sees: the first that is not manual, else the manual one."""
    triggers = [node for node in definition.triggers() if not node.disabled]
    node = next((n for n in triggers if n.subtype != "manual"), triggers[0] if triggers else None)
    return (node.subtype, dict(node.config)) if node else ("manual", {})
