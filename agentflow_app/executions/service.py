"""The execution use cases: start and test, look, cancel, decide, resume, replay."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import String, cast, or_, select
from sqlmodel import col

from agentflow_app.agents.service import AgentService
from agentflow_app.core.pagination import Page, PageQuery, like, paginate
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.addresses import with_resume_url
from agentflow_app.executions.base import StepNotFound
from agentflow_app.executions.comparing import CompareUseCases
from agentflow_app.executions.continuing import ResumeUseCases
from agentflow_app.executions.deciding import DecideUseCases
from agentflow_app.executions.models import Execution, ExecutionEvent, ExecutionLog, ExecutionStep
from agentflow_app.executions.payloads import PayloadNotFound, address, contents, trigger_data, whole
from agentflow_app.executions.replaying import ReplayUseCases
from agentflow_app.executions.schemas import ExecutionOut, ExecutionQuery, LogOut, StartedRun, StepOut
from engine.events import waiting_json
from engine.ports import WaitingFor

STARTED = 50_000
"""Own runs that a person is told of at once."""
_SORT = {"created_at": col(Execution.created_at)}


class StepQuery(PageQuery):
    sort: str = "step_order"
    order: Literal["asc", "desc"] = "asc"


class ExecutionService(ReplayUseCases, DecideUseCases, ResumeUseCases, CompareUseCases):
    """Everything one may do with executions, as one actor in one transaction."""

    async def ensure_agent(self, agent_id: UUID) -> None:
        """Raises AgentNotFound."""
        await AgentService(self.tx, self.actor).load(agent_id)

    async def get(self, execution_id: UUID) -> ExecutionOut:
        self.actor.require("executions:read")
        return (await self.render([await self.load(execution_id)]))[0]

    async def get_whole(self, execution_id: UUID) -> ExecutionOut:
        """With all of its trigger data and output, however large."""
        self.actor.require("executions:read")
        execution = await self.load(execution_id)
        (shown,) = await self.render([execution])
        if execution.trigger_ref is not None:
            shown.trigger_data = await trigger_data(self.tx, execution)
        if execution.output_ref is not None:
            shown.output = await whole(self.tx, execution.id, execution.output, execution.output_ref)
        return shown

    async def whole_of(self, execution_id: UUID, step_id: UUID, part: Literal["input", "output"]) -> Any:
        """All of what went into a step, or came out of it. Raises ExecutionNotFound or StepNotFound."""
        self.actor.require("executions:read")
        execution = await self.load(execution_id)
        query = select(ExecutionStep).where(
            col(ExecutionStep.execution_id) == execution.id, col(ExecutionStep.id) == step_id
        )
        step = (await self.tx.execute(query)).scalar_one_or_none()
        if step is None:
            raise StepNotFound(f"There is no step {step_id} in this execution")
        if part == "input":
            return await whole(self.tx, execution.id, step.input_data, step.input_ref)
        return await whole(self.tx, execution.id, step.output_data, step.output_ref)

    async def payload(self, execution_id: UUID, payload_id: UUID) -> Any:
        """What a reference of this run stands for. Raises ExecutionNotFound or PayloadNotFound."""
        self.actor.require("executions:read")
        execution = await self.load(execution_id)
        found = await contents(self.tx, execution.id, [payload_id])
        if payload_id not in found:
            raise PayloadNotFound(f"There is no payload {payload_id} in this execution")
        return found[payload_id]

    async def started(self) -> "list[StartedRun]":
        """The person's own, whatever their role: the newest first, at most so many as they are told of."""
        columns = [getattr(Execution, name) for name in StartedRun.model_fields]
        query = (
            select(*columns)
            .where(
                col(Execution.org_id) == self.actor.org_id,
                col(Execution.triggered_by_user) == self.actor.user_id,
            )
            .order_by(col(Execution.created_at).desc())
            .limit(STARTED)
        )
        return [StartedRun.model_validate(row) for row in await self.tx.execute(query)]

    async def definition(self, execution_id: UUID) -> dict[str, Any]:
        """The graph that this run uses."""
        self.actor.require("executions:read")
        return await self.graph_of(await self.load(execution_id))

    async def steps(self, execution_id: UUID) -> "list[StepOut]":
        """All of them, in the order in which they began."""
        self.actor.require("executions:read")
        execution = await self.load(execution_id)
        rows = await self.tx.execute(
            select(ExecutionStep)
            .where(col(ExecutionStep.execution_id) == execution.id)
            .order_by(col(ExecutionStep.step_order), col(ExecutionStep.id))
        )
        return [render_step(row, self.actor) for row in rows.scalars()]

    async def first_output(self, execution_id: UUID, node_ids: Sequence[str]) -> Any:
        """Of the first of these nodes that completed; None where none did."""
        self.actor.require("executions:read")
        execution = await self.load(execution_id)
        found = await self.tx.execute(
            select(col(ExecutionStep.output_data), col(ExecutionStep.output_ref))
            .where(
                col(ExecutionStep.execution_id) == execution.id,
                col(ExecutionStep.node_id).in_(node_ids),
                col(ExecutionStep.status) == "completed",
            )
            .order_by(col(ExecutionStep.step_order))
            .limit(1)
        )
        row = found.one_or_none()
        return await whole(self.tx, execution.id, row[0], row[1]) if row is not None else None

    async def step_page(self, execution_id: UUID, query: StepQuery) -> Page[StepOut]:
        self.actor.require("executions:read")
        execution = await self.load(execution_id)
        return await paginate(
            self.tx,
            select(ExecutionStep).where(col(ExecutionStep.execution_id) == execution.id),
            query,
            {"step_order": col(ExecutionStep.step_order)},
            col(ExecutionStep.id),
            lambda row: render_step(row, self.actor),
        )

    async def logs(self, execution_id: UUID) -> "list[LogOut]":
        """All lines, oldest first."""
        self.actor.require("executions:read")
        execution = await self.load(execution_id)
        rows = await self.tx.execute(
            select(ExecutionLog)
            .where(col(ExecutionLog.execution_id) == execution.id)
            .order_by(col(ExecutionLog.created_at), col(ExecutionLog.id))
        )
        return [LogOut.model_validate(row) for row in rows.scalars()]

    async def log_page(self, execution_id: UUID, query: PageQuery) -> Page[LogOut]:
        self.actor.require("executions:read")
        execution = await self.load(execution_id)
        return await paginate(
            self.tx,
            select(ExecutionLog).where(col(ExecutionLog.execution_id) == execution.id),
            query,
            {"created_at": col(ExecutionLog.created_at)},
            col(ExecutionLog.id),
            LogOut.model_validate,
        )

    async def events(self, execution_id: UUID, after: int, limit: int = 1000) -> "list[dict[str, Any]]":
        """Stored events whose `seq` is over `after`, in order."""
        self.actor.require("executions:read")
        rows = await self.tx.execute(
            select(col(ExecutionEvent.event))
            .where(col(ExecutionEvent.execution_id) == execution_id, col(ExecutionEvent.seq) > after)
            .order_by(col(ExecutionEvent.seq))
            .limit(limit)
        )
        return list(rows.scalars())

    async def list(self, query: ExecutionQuery) -> Page[ExecutionOut]:
        """Searches by agent name and by execution id."""
        self.actor.require("executions:read")
        statement = select(Execution).where(col(Execution.org_id) == self.actor.org_id)
        for column, value in (
            (col(Execution.agent_id), query.agent_id),
            (col(Execution.status), query.status),
            (col(Execution.triggered_by), query.triggered_by),
            (col(Execution.dry_run), query.dry_run),
        ):
            if value is not None:
                statement = statement.where(column == value)
        if query.search:
            agents = await AgentService(self.tx, self.actor).ids_named(query.search)
            statement = statement.where(
                or_(
                    col(Execution.agent_id).in_(agents),
                    cast(col(Execution.id), String).ilike(like(query.search)),
                )
            )
        page = await paginate(self.tx, statement, query, _SORT, col(Execution.id), _same)
        return Page(data=await self.render(page.data), next_cursor=page.next_cursor)


def _same(row: Execution) -> Execution:
    return row


def render_step(row: ExecutionStep, actor: Actor) -> StepOut:
    """What it waits for is shown as in the events, without what its kind keeps there for itself."""
    shown = StepOut(
        **row.model_dump(include=set(StepOut.model_fields) - {"input_ref", "output_ref"}),
        input_ref=address(row.execution_id, row.input_ref),
        output_ref=address(row.execution_id, row.output_ref),
    )
    if row.waiting_for is None:
        return shown
    waiting = WaitingFor(row.waiting_for["kind"], row.wait_until, row.waiting_for["details"])
    told = with_resume_url(waiting_json(waiting), row.id, actor)
    return shown.model_copy(update={"waiting_for": told})
