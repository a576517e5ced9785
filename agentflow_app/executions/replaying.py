"""A new run that takes over from another what does not depend on what is to be tried differently."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from agentflow_app.agents.base import AgentNotActive
from agentflow_app.agents.definitions import ensure_valid, parse
from agentflow_app.agents.service import AgentService
from agentflow_app.audit.service import record
from agentflow_app.core.clock import utcnow
from agentflow_app.core.errors import Conflict, ValidationFailed
from agentflow_app.core.ids import new_id
from agentflow_app.executions.continuing import VersionMismatch, refuse_misfits, states_of
from agentflow_app.executions.models import Execution, ExecutionStep
from agentflow_app.executions.payloads import Kept, copy_payloads, store
from agentflow_app.executions.redaction import is_redacted
from agentflow_app.executions.schemas import ExecutionOut, ReplayRequest
from agentflow_app.executions.starting import StartUseCases
from engine.definition import Definition
from engine.graph import Graph
from engine.ports import StepState
from engine.replaying import takeover
from engine.start import pinned_handle

_COPY = text(
    """
    INSERT INTO execution_steps (id, org_id, execution_id, node_id, iteration, step_order, status, attempts,
        input_data, input_ref, output_data, output_ref, handle, error, duration_ms, started_at,
        completed_at, tokens_used, cost, taken_over)
    SELECT g.new_id, s.org_id, :replay, s.node_id, s.iteration, s.step_order,
        CASE WHEN g.reopened THEN 'running' ELSE s.status END, s.attempts, s.input_data,
        s.input_ref, CASE WHEN NOT g.reopened THEN s.output_data END,
        CASE WHEN NOT g.reopened THEN s.output_ref END, CASE WHEN NOT g.reopened THEN s.handle END,
        CASE WHEN NOT g.reopened THEN s.error END, CASE WHEN NOT g.reopened THEN s.duration_ms END,
        CASE WHEN g.reopened THEN now() ELSE s.started_at END,
        CASE WHEN NOT g.reopened THEN s.completed_at END, 0, 0, NOT g.reopened
    FROM execution_steps s
        JOIN unnest(cast(:ids AS uuid[]), cast(:new_ids AS uuid[]), cast(:reopened AS boolean[]))
            AS g(id, new_id, reopened) ON g.id = s.id
    WHERE s.execution_id = :original AND (NOT g.reopened OR s.input_data IS NOT NULL)
    """
)


class NotReplayable(Conflict):
    code = "NOT_REPLAYABLE"


class ReplayUseCases(StartUseCases):
    async def replay(self, execution_id: UUID, data: ReplayRequest) -> ExecutionOut:
        """Starts a run from the journal of another, which stays as it is.

        Raises ExecutionNotFound, AgentNotActive, NotReplayable, VersionMismatch, VersionNotFound,
        InvalidDefinition or ValidationFailed.
        """
        self.actor.require("executions:write")
        original = await self.load(execution_id)
        agent = await AgentService(self.tx, self.actor).load(original.agent_id)
        if not original.dry_run and agent.status != "active":
            raise AgentNotActive(f"The agent is {agent.status}; set its status to active first")
        if await is_redacted(self.tx, original.id):
            raise NotReplayable(
                "Values that the organization hides were taken out of this run at its end; start a new one"
            )
        replay = Execution(
            id=new_id(),
            org_id=original.org_id,
            agent_id=original.agent_id,
            agent_version_id=original.agent_version_id,
            agent_version=original.agent_version,
            definition=original.definition,
            options=original.options,
            triggered_by="replay",
            triggered_by_user=self.actor.user_id,
            trigger=original.trigger,
            trigger_ref=original.trigger_ref,
            variables=original.variables,
            dry_run=original.dry_run,
            replay_of=original.id,
            priority=original.priority,
        )
        before = parse(await self.graph_of(original))
        definition = await self._graph(replay, before, data)
        _ensure_known(definition, data)
        steps = await states_of(self.tx, original.id)
        kept = takeover(definition, {data.from_node, *data.overrides, *data.configs}, steps)
        known = set(kept.kept)
        refuse_misfits(before, definition, [step for step in steps if step.step_id in known])
        replay.trigger = _trigger(original, definition, data)
        if replay.trigger is not original.trigger:
            replay.trigger_ref = None
        shown = await self._enter(replay, definition)
        await self._copy(original, replay, kept.kept, kept.reopened)
        await copy_payloads(self.tx, original.id, replay.id)
        large = Kept()
        self._override(replay, definition, data.overrides, steps, large)
        await store(self.tx, replay.org_id, replay.id, large)
        told = {
            "replay": str(replay.id),
            "from_node": data.from_node,
            "overrides": sorted(data.overrides),
            "configs": sorted(data.configs),
        }
        record(self.tx, self.actor, "execution.replayed", "execution", original.id, told)
        await self.tx.flush()
        return shown

    async def _graph(self, replay: Execution, before: Definition, data: ReplayRequest) -> Definition:
        """What the replay runs, noted in it."""
        found = before
        if data.version is not None:
            if replay.agent_version is None:
                raise ValidationFailed(fields={"version": "this run has a graph of its own, not a version"})
            agents = AgentService(self.tx, self.actor)
            version = await agents.pinned(replay.agent_id, data.version)
            replay.agent_version_id, replay.agent_version = version.id, version.version
            replay.definition = None
            found = parse(version.definition)
        if data.configs:
            raw = found.to_json()
            for node in raw["nodes"]:
                if node["id"] in data.configs:
                    node["config"] = data.configs[node["id"]]
            found = parse(raw)
            ensure_valid(found)
            replay.definition = raw
        return found

    async def _copy(
        self, original: Execution, replay: Execution, kept: Sequence[str], reopened: Sequence[str]
    ) -> None:
        ids = [UUID(step_id) for step_id in (*kept, *reopened)]
        if ids:
            given = {
                "original": original.id,
                "replay": replay.id,
                "ids": ids,
                "new_ids": [new_id() for _ in ids],
                "reopened": [False] * len(kept) + [True] * len(reopened),
            }
            await self.tx.execute(_COPY, given)

    def _override(
        self,
        replay: Execution,
        definition: Definition,
        overrides: dict[str, Any],
        steps: Sequence[StepState],
        large: Kept,
    ) -> None:
        """Each takes the place of the node in every round in which it has run."""
        graph = Graph(definition)
        now = utcnow()
        order = max((step.order for step in steps), default=0)
        for node_id, output in overrides.items():
            depth = len(list(graph.regions.around(node_id)))
            ran = [s.iteration for s in steps if s.node_id == node_id and len(s.iteration) == depth]
            handle = pinned_handle(graph.nodes[node_id], output)
            shown, ref = large.keep(output)
            for iteration in ran if depth else [()]:
                order += 1
                self.tx.add(
                    ExecutionStep(
                        id=new_id(),
                        org_id=replay.org_id,
                        execution_id=replay.id,
                        node_id=node_id,
                        iteration=list(iteration),
                        step_order=order,
                        status="completed",
                        output_data=shown,
                        output_ref=ref,
                        handle=handle,
                        duration_ms=0,
                        started_at=now,
                        completed_at=now,
                        taken_over=True,
                    )
                )


def _ensure_known(definition: Definition, data: ReplayRequest) -> None:
    known = {node.id for node in definition.nodes}
    named: Iterable[tuple[str, str]] = [
        ("from_node", data.from_node),
        *((f"overrides.{node_id}", node_id) for node_id in data.overrides),
        *((f"configs.{node_id}", node_id) for node_id in data.configs),
    ]
    unknown = {name: f"there is no node {node_id}" for name, node_id in named if node_id not in known}
    if unknown:
        raise ValidationFailed(fields=unknown)


def _trigger(original: Execution, definition: Definition, data: ReplayRequest) -> dict[str, Any]:
    """What starts it: as it was, but for the data where the trigger's output is another."""
    trigger = original.trigger
    fired = trigger.get("node_id")
    if fired is None:
        return trigger
    if not any(node.id == fired for node in definition.triggers()):
        raise VersionMismatch(f"The trigger {fired}, which started this run, is not in the graph any more")
    output = data.overrides.get(fired)
    return {**trigger, "data": output["data"]} if isinstance(output, dict) and "data" in output else trigger
