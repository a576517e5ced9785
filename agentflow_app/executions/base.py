"""What the execution use cases share: finding one of the actor's organization, and showing it."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import col

from agentflow_app.agents.service import AgentService
from agentflow_app.core.database import Transaction
from agentflow_app.core.errors import NotFound
from agentflow_app.core.events import notices, organization_channel
from agentflow_app.core.ids import parse_id
from agentflow_app.core.jobs import hints
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.addresses import with_resume_url
from agentflow_app.executions.models import Execution
from agentflow_app.executions.payloads import address
from agentflow_app.executions.schemas import ExecutionOut
from agentflow_app.vault.runs import variables
from engine.definition import Definition
from engine.names import variable_names

RUN_JOB = "execution.run"
LIMITS = "limits"
"""Where an execution's `options` keep what stands in for its agent's settings."""
_COMPUTED = {"trigger_data", "trigger_data_ref", "output_ref", "agent_name", "waiting_for"}


class ExecutionNotFound(NotFound):
    code = "EXECUTION_NOT_FOUND"

    def __init__(self, execution_id: UUID) -> None:
        super().__init__(f"There is no execution {execution_id}")


class StepNotFound(NotFound):
    code = "STEP_NOT_FOUND"


class ExecutionUseCases:
    """Bound to one transaction and one actor."""

    def __init__(self, tx: Transaction, actor: Actor) -> None:
        self.tx = tx
        self.actor = actor

    async def load(self, execution_id: UUID, *, lock: bool = False) -> Execution:
        """Raises ExecutionNotFound, also for another organization's execution."""
        query = select(Execution).where(
            col(Execution.id) == execution_id, col(Execution.org_id) == self.actor.org_id
        )
        if lock:
            query = query.with_for_update()
        found = (await self.tx.execute(query)).scalar_one_or_none()
        if found is None:
            raise ExecutionNotFound(execution_id)
        return found

    async def graph_of(self, execution: Execution) -> dict[str, Any]:
        """The definition that it runs. Raises VersionNotFound where that is gone."""
        if execution.definition is not None:
            return execution.definition
        return await AgentService(self.tx, self.actor).graph(execution.agent_version_id)

    async def variables_for(
        self, definition: Definition, kept: dict[str, Any] | None
    ) -> dict[str, Any] | None:
        """What the graph names of the organization's variables; those that the run had stay as they were."""
        names = variable_names(definition)
        if names is None or names:
            return {**await variables(self.tx, self.actor.org_id, names), **(kept or {})}
        return kept

    async def render(self, executions: Iterable[Execution]) -> list[ExecutionOut]:
        rows = list(executions)
        names = await AgentService(self.tx, self.actor).names({row.agent_id for row in rows})
        return [
            ExecutionOut(
                **row.model_dump(include=set(ExecutionOut.model_fields) - _COMPUTED),
                trigger_data=row.trigger.get("data"),
                trigger_data_ref=address(row.id, row.trigger_ref),
                output_ref=address(row.id, row.output_ref),
                agent_name=names[row.agent_id],
                waiting_for=self._shown_wait(row),
            )
            for row in rows
        ]

    def _shown_wait(self, row: Execution) -> dict[str, Any] | None:
        step_id = parse_id(str((row.waiting_for or {}).get("step_id")))
        return with_resume_url(row.waiting_for, step_id, self.actor)

    def wake(self, execution: Execution) -> None:
        """After the commit: a worker looks at it, and the organization's pages hear of it."""
        self.tx.after_commit(lambda: hints().give(RUN_JOB))
        channel = organization_channel(execution.org_id)
        self.tx.after_commit(lambda: notices().post([(channel, str(execution.id))]))

    def due_now(self, execution: Execution) -> None:
        """Lets a waiting execution be claimed at once; a running one is polled by its worker."""
        if execution.status == "waiting":
            execution.wake_at = func.now()  # type: ignore[assignment]  # the database's clock, not ours
        self.wake(execution)
