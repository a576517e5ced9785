"""How an execution comes to be: for real from the published version, or as a dry run of any graph."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agentflow_app.agents.definitions import InvalidDefinition, parse, problems_of
from agentflow_app.agents.service import AgentService
from agentflow_app.core.errors import ValidationFailed
from agentflow_app.core.ids import new_id
from agentflow_app.executions.base import ExecutionUseCases
from agentflow_app.executions.inputs import check_input, trigger_node
from agentflow_app.executions.models import Execution
from agentflow_app.executions.payloads import Kept, store
from agentflow_app.executions.schemas import (
    PRIORITIES,
    ExecuteRequest,
    ExecutionOut,
    TestRequest,
    TriggeredBy,
)
from agentflow_app.organizations.plan import count_execution
from engine.definition import Definition


@dataclass(frozen=True, slots=True)
class Call:
    """Which run it is to be, and whose: `step_id` is the step that waits for it, if one does."""

    execution_id: UUID
    parent_id: UUID
    step_id: UUID | None
    priority: int


class StartUseCases(ExecutionUseCases):
    async def start(
        self,
        agent_id: UUID,
        data: ExecuteRequest,
        triggered_by: TriggeredBy = "manual",
        trigger: dict[str, Any] | None = None,
        node_id: str | None = None,
        called: Call | None = None,
    ) -> ExecutionOut:
        """Starts the published version. `trigger` adds what came beside the data (headers, query, method).

        `node_id` says which trigger it is, where an agent has several of a kind. `called`: a step of another
        run wants it.

        Raises AgentNotFound, AgentNotActive, NoSuchTrigger or ValidationFailed.
        """
        self.actor.require("executions:write")
        agent, version = await AgentService(self.tx, self.actor).live(agent_id)
        definition = parse(version.definition)
        node = trigger_node(definition, triggered_by, node_id)
        check_input(node, data.trigger_data)
        execution = Execution(
            id=called.execution_id if called else new_id(),
            org_id=self.actor.org_id,
            agent_id=agent.id,
            agent_version_id=version.id,
            agent_version=version.version,
            triggered_by=triggered_by,
            triggered_by_user=self.actor.user_id,
            trigger={**(trigger or {}), "data": data.trigger_data, "node_id": node.id if node else None},
            priority=called.priority if called else PRIORITIES[data.priority],
            parent_id=called.parent_id if called else None,
            parent_step_id=called.step_id if called else None,
        )
        return await self._enter(execution, definition)

    async def test(self, agent_id: UUID, data: TestRequest) -> ExecutionOut:
        """Starts a dry run: models are called, nothing outside is touched, nothing is billed."""
        self.actor.require("executions:write")
        agents = AgentService(self.tx, self.actor)
        agent = await agents.load(agent_id)
        raw = data.definition
        if raw is None:
            raw = agent.draft if agent.draft.get("nodes") else (await agents.live(agent_id))[1].definition
        definition = parse(raw)
        _ensure_testable(definition, data)
        node = trigger_node(definition, "test")
        execution = Execution(
            id=new_id(),
            org_id=self.actor.org_id,
            agent_id=agent.id,
            definition=definition.to_json(),
            options=data.model_dump(
                include={"pins", "node", "from_node", "until_node"}, exclude_defaults=True
            ),
            triggered_by="test",
            triggered_by_user=self.actor.user_id,
            trigger={"data": data.trigger_data, "node_id": node.id if node else None},
            dry_run=True,
            priority=PRIORITIES["high"],
        )
        return await self._enter(execution, definition)

    async def _enter(self, execution: Execution, definition: Definition) -> ExecutionOut:
        execution.variables = await self.variables_for(definition, execution.variables)
        await count_execution(self.tx, self.actor)
        kept = Kept()
        if execution.trigger_ref is None:
            data, execution.trigger_ref = kept.keep(execution.trigger.get("data"))
            execution.trigger = {**execution.trigger, "data": data}
        self.tx.add(execution)
        await self.tx.flush()
        await store(self.tx, execution.org_id, execution.id, kept)
        self.wake(execution)
        return (await self.render([execution]))[0]


def _ensure_testable(definition: Definition, data: TestRequest) -> None:
    """The part that will run must be valid; with a single node, what is wrong elsewhere does not matter."""
    known = {node.id for node in definition.nodes}
    unknown = {
        name: f"there is no node {value}"
        for name, value in (
            ("node", data.node),
            ("from_node", data.from_node),
            ("until_node", data.until_node),
        )
        if value is not None and value not in known
    }
    unknown |= {f"pins.{pin}": "there is no such node" for pin in data.pins if pin not in known}
    if unknown:
        raise ValidationFailed(fields=unknown)
    problems = [p for p in problems_of(definition) if p.severity == "error"]
    if data.node:
        problems = [p for p in problems if p.node_id == data.node]
    if problems:
        raise InvalidDefinition(problems)
