"""How a run goes on after a failure, a cancel or its budget, and how an uncertain step is settled."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlmodel import col

from agentflow_app.agents.base import AgentNotActive
from agentflow_app.agents.definitions import parse
from agentflow_app.agents.service import AgentService
from agentflow_app.audit.service import record
from agentflow_app.core.database import Transaction
from agentflow_app.core.errors import Conflict, ValidationFailed
from agentflow_app.executions.base import LIMITS, ExecutionUseCases, StepNotFound
from agentflow_app.executions.models import Execution, ExecutionStep
from agentflow_app.executions.redaction import is_redacted
from agentflow_app.executions.schemas import ExecutionOut, ResolveRequest, ResumeRequest
from engine.definition import Definition
from engine.ports import StepState
from engine.resuming import Fate, fates, misfits

_AGAIN = text(
    """
    UPDATE execution_steps s SET status = g.status, error = NULL, output_data = NULL, output_ref = NULL,
        handle = NULL, waiting_for = NULL, wait_until = NULL, retry_at = NULL, signal = NULL,
        duration_ms = NULL,
        started_at = CASE WHEN g.status <> 'pending' THEN s.started_at END,
        completed_at = CASE WHEN g.status = 'cancelled' THEN now() END
    FROM unnest(cast(:ids AS uuid[]), cast(:statuses AS text[])) AS g(id, status)
    WHERE s.id = g.id AND s.execution_id = :execution
    """
)
_FORGET = text("DELETE FROM execution_steps WHERE execution_id = :execution AND id = ANY(:ids)")


class NotResumable(Conflict):
    code = "NOT_RESUMABLE"


class VersionMismatch(Conflict):
    code = "VERSION_MISMATCH"


class NotUncertain(Conflict):
    code = "NOT_UNCERTAIN"


class ResumeUseCases(ExecutionUseCases):
    async def resume(self, execution_id: UUID, data: ResumeRequest) -> ExecutionOut:
        """The same run goes on from its failed and open steps; what completed stays.

        Raises NotResumable, VersionMismatch, VersionNotFound, AgentNotActive or ValidationFailed.
        """
        self.actor.require("executions:write")
        execution = await self.load(execution_id, lock=True)
        agent = await AgentService(self.tx, self.actor).load(execution.agent_id)
        if agent.status == "archived":
            raise AgentNotActive("The agent is archived; set its status before its runs go on")
        steps = await states_of(self.tx, execution.id)
        await self._ensure_resumable(execution, steps)
        before = parse(await self.graph_of(execution))
        after = before
        if data.version is not None and data.version != execution.agent_version:
            after = await self._move(execution, before, steps, data.version)
        if data.settings is not None:
            limits = data.settings.model_dump(mode="json", exclude_none=True)
            execution.options = {
                **execution.options,
                LIMITS: {**execution.options.get(LIMITS, {}), **limits},
            }
        await self._turn(execution.id, fates(before, after, steps))
        if execution.status != "waiting":
            execution.status = "pending"
            execution.cancel_requested = False
            execution.claims = 0
            # Its caller does not wait any more, and says so itself where it goes on, too.
            execution.parent_step_id = None
            execution.output = execution.error = execution.waiting_for = None
            execution.output_ref = execution.duration_ms = execution.completed_at = None
        self.due_now(execution)
        record(
            self.tx,
            self.actor,
            "execution.resumed",
            "execution",
            execution.id,
            data.model_dump(mode="json", exclude_none=True),
        )
        await self.tx.flush()
        await self.tx.refresh(execution)
        return (await self.render([execution]))[0]

    async def resolve(self, execution_id: UUID, step_id: UUID, data: ResolveRequest) -> ExecutionOut:
        """Says, once, what became of an uncertain step. Raises StepNotFound or NotUncertain."""
        self.actor.require("executions:write")
        execution = await self.load(execution_id, lock=True)
        step = (
            await self.tx.execute(
                select(ExecutionStep)
                .where(col(ExecutionStep.execution_id) == execution.id, col(ExecutionStep.id) == step_id)
                .with_for_update()
            )
        ).scalar_one_or_none()
        if step is None:
            raise StepNotFound(f"There is no step {step_id} in this execution")
        if step.status != "uncertain":
            raise NotUncertain(f"This step is {step.status}; only an uncertain one is resolved")
        if step.signal is not None:
            raise NotUncertain("This step was resolved already")
        if execution.cancel_requested:
            raise NotUncertain("The execution is being cancelled")
        if data.output is not None and data.outcome != "done":
            raise ValidationFailed(fields={"output": "only what is done has an output"})
        step.signal = {
            "kind": "uncertain",
            "outcome": data.outcome,
            "output": data.output,
            "resolved_by": str(self.actor.user_id),
        }
        self.due_now(execution)
        told = {"step_id": str(step.id), "node_id": step.node_id, "outcome": data.outcome}
        record(self.tx, self.actor, "execution.step_resolved", "execution", execution.id, told)
        await self.tx.flush()
        await self.tx.refresh(execution)
        return (await self.render([execution]))[0]

    async def _ensure_resumable(self, execution: Execution, steps: Sequence[StepState]) -> None:
        if execution.status == "waiting" and not execution.cancel_requested:
            if await self._stopped_at_budget(execution.id):
                return
            raise NotResumable("The execution waits for something else than its budget")
        if execution.status not in ("failed", "cancelled"):
            raise NotResumable(
                f"The execution is {execution.status}; only a failed, cancelled or budget-stopped one goes on"
            )
        if await is_redacted(self.tx, execution.id):
            raise NotResumable(
                "Values that the organization hides were taken out of this run at its end; start a new one"
            )

    async def _stopped_at_budget(self, execution_id: UUID) -> bool:
        query = select(col(ExecutionStep.id)).where(
            col(ExecutionStep.execution_id) == execution_id,
            col(ExecutionStep.status) == "waiting",
            col(ExecutionStep.waiting_for)["kind"].astext == "budget",
        )
        return (await self.tx.execute(query.limit(1))).first() is not None

    async def _move(
        self, execution: Execution, before: Definition, steps: Sequence[StepState], number: int
    ) -> Definition:
        """Onto another version, if it has all that has run."""
        if execution.agent_version is None or execution.definition is not None:
            raise ValidationFailed(fields={"version": "this run has a graph of its own, not a version"})
        if number < execution.agent_version:
            older = f"is older than the run's, which is {execution.agent_version}"
            raise ValidationFailed(fields={"version": older})
        version = await AgentService(self.tx, self.actor).pinned(execution.agent_id, number)
        after = parse(version.definition)
        refuse_misfits(before, after, steps)
        execution.agent_version_id, execution.agent_version = version.id, version.version
        execution.variables = await self.variables_for(after, execution.variables)
        return after

    async def _turn(self, execution_id: UUID, found: dict[str, Fate]) -> None:
        gone = [UUID(step_id) for step_id, fate in found.items() if fate == "forgotten"]
        again: dict[str, Any] = {key: fate for key, fate in found.items() if fate != "forgotten"}
        if gone:
            await self.tx.execute(_FORGET, {"execution": execution_id, "ids": gone})
        if again:
            given = {"ids": [UUID(key) for key in again], "statuses": list(again.values())}
            await self.tx.execute(_AGAIN, {"execution": execution_id, **given})


def refuse_misfits(before: Definition, after: Definition, steps: Sequence[StepState]) -> None:
    """Raises VersionMismatch where `after` does not have what ended in these steps as it was."""
    wrong = misfits(before, after, steps)
    if wrong:
        named = ", ".join(f"{each.node_id} ({each.reason})" for each in wrong)
        raise VersionMismatch(
            f"The graph does not have what has run already as it was: {named}",
            details={"nodes": [{"node_id": each.node_id, "reason": each.reason} for each in wrong]},
        )


async def states_of(tx: Transaction, execution_id: UUID) -> list[StepState]:
    """The steps of a run, without what went in and came out."""
    rows = await tx.execute(
        select(
            col(ExecutionStep.id),
            col(ExecutionStep.node_id),
            col(ExecutionStep.iteration),
            col(ExecutionStep.step_order),
            col(ExecutionStep.status),
            col(ExecutionStep.attempts),
            col(ExecutionStep.handle),
            col(ExecutionStep.error),
            col(ExecutionStep.started_at),
        )
        .where(col(ExecutionStep.execution_id) == execution_id)
        .order_by(col(ExecutionStep.step_order))
    )
    return [
        StepState(
            str(step_id),
            node_id,
            tuple(iteration),
            order,
            status,
            attempts,
            handle=handle,
            error=error,
            started_at=started_at,
        )
        for step_id, node_id, iteration, order, status, attempts, handle, error, started_at in rows
    ]
