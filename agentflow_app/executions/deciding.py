"""What people do to a run: cancel it, and decide what waits for them."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlmodel import col

from agentflow_app.agents.service import AgentService
from agentflow_app.audit.service import record
from agentflow_app.core.errors import Conflict, Forbidden, ValidationFailed
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.base import ExecutionUseCases, StepNotFound
from agentflow_app.executions.inputs import check_fit
from agentflow_app.executions.models import Execution, ExecutionStep
from agentflow_app.executions.schemas import ENDED, ApprovalOut, ApproveRequest, ExecutionOut
from agentflow_app.organizations.teams import teams_of

_FOR_PEOPLE = and_(
    col(ExecutionStep.status).in_(["waiting_approval", "waiting"]),
    or_(
        col(ExecutionStep.status) == "waiting_approval",
        col(ExecutionStep.waiting_for)["kind"].astext == "input",
    ),
)


class ExecutionEnded(Conflict):
    code = "EXECUTION_ENDED"


class NothingToApprove(Conflict):
    code = "NOTHING_TO_APPROVE"


class AlreadyDecided(Conflict):
    code = "ALREADY_DECIDED"


class DecideUseCases(ExecutionUseCases):
    async def cancel(self, execution_id: UUID) -> ExecutionOut:
        """Asks for the end; its worker stops what is in flight. Raises ExecutionEnded."""
        self.actor.require("executions:write")
        execution = await self.load(execution_id, lock=True)
        if execution.status in ENDED:
            raise ExecutionEnded(f"The execution has ended already: {execution.status}")
        if not execution.cancel_requested:
            execution.cancel_requested = True
            self.due_now(execution)
            record(self.tx, self.actor, "execution.cancelled", "execution", execution.id)
            await self.tx.flush()
            await self.tx.refresh(execution)
        return (await self.render([execution]))[0]

    async def approve(self, execution_id: UUID, data: ApproveRequest) -> ExecutionOut:
        """Decides a waiting approval, or gives the input that is asked for, once.

        Raises Forbidden, AlreadyDecided, NothingToApprove or ValidationFailed.
        """
        if not self.actor.is_person:
            raise Forbidden("Approving needs a person: log in, an API key cannot decide")
        self.actor.require("approvals:decide")
        execution = await self.load(execution_id, lock=True)
        step = await self._waiting_step(execution, data.step_id)
        details = _details(step)
        if not may_decide(self.actor, details, await teams_of(self.tx, self.actor)):
            raise Forbidden("This approval is for other people; its approvers are named in the node")
        step.signal = {
            **(_form(data, details) if asks_input(step) else _decision(data, details)),
            "comment": data.comment,
            "decided_by": str(self.actor.user_id),
        }
        self.due_now(execution)
        record(
            self.tx,
            self.actor,
            "execution.answered" if asks_input(step) else f"execution.{data.decision}",
            "execution",
            execution.id,
            {"step_id": str(step.id), "node_id": step.node_id},
        )
        await self.tx.flush()
        await self.tx.refresh(execution)
        return (await self.render([execution]))[0]

    async def _waiting_step(self, execution: Execution, step_id: UUID | None) -> ExecutionStep:
        # Locked, because a timer may expire a step without a look at its execution.
        query = (
            select(ExecutionStep)
            .where(col(ExecutionStep.execution_id) == execution.id)
            .with_for_update()
            .order_by(col(ExecutionStep.id))
        )
        if execution.cancel_requested and execution.status not in ENDED:
            raise NothingToApprove("The execution is being cancelled")
        if step_id is not None:
            named = query.where(col(ExecutionStep.id) == step_id)
            step = (await self.tx.execute(named)).scalar_one_or_none()
            if step is None:
                raise StepNotFound(f"There is no step {step_id} in this execution")
            waits = _waits_for_person(step)
            if (waits and step.signal is not None) or (not waits and _is_decision(step)):
                raise AlreadyDecided("This approval was decided already")
            if not waits or execution.status in ENDED:
                raise NothingToApprove("This step does not wait for an approval")
            return step
        steps = (await self.tx.execute(query.where(_FOR_PEOPLE))).scalars().all()
        undecided = [step for step in steps if step.signal is None]
        if execution.status in ENDED or not undecided:
            decided = steps or await self._any_decision(execution)
            raise (AlreadyDecided if decided else NothingToApprove)(
                "This approval was decided already"
                if decided
                else "Nothing in this execution waits for an approval"
            )
        if len(undecided) > 1:
            raise ValidationFailed(fields={"step_id": "several steps wait; name one"})
        return undecided[0]

    async def _any_decision(self, execution: Execution) -> bool:
        steps = await self.tx.execute(
            select(ExecutionStep).where(
                col(ExecutionStep.execution_id) == execution.id, col(ExecutionStep.status) == "completed"
            )
        )
        return any(_is_decision(step) for step in steps.scalars())

    async def approvals(self) -> list[ApprovalOut]:
        """What waits for this person's decision, the longest waiting first."""
        self.actor.require("executions:read")
        rows = (
            await self.tx.execute(
                select(ExecutionStep, Execution)
                .join(Execution, col(Execution.id) == col(ExecutionStep.execution_id))
                .where(
                    col(ExecutionStep.org_id) == self.actor.org_id,
                    _FOR_PEOPLE,
                    col(ExecutionStep.signal).is_(None),
                    col(Execution.status).not_in(ENDED),
                )
                .order_by(col(ExecutionStep.started_at), col(ExecutionStep.id))
                .limit(200)
            )
        ).all()
        teams = await teams_of(self.tx, self.actor)
        names = await AgentService(self.tx, self.actor).names({execution.agent_id for _, execution in rows})
        return [
            ApprovalOut(
                execution_id=execution.id,
                step_id=step.id,
                agent_id=execution.agent_id,
                agent_name=names[execution.agent_id],
                node_id=step.node_id,
                kind="input" if asks_input(step) else "approval",
                message=str(_details(step).get("message") or ""),
                show=_details(step).get("show"),
                editable=bool(_details(step).get("editable")),
                input_schema=_details(step).get("schema"),
                until=step.wait_until,
                waiting_since=step.started_at,
            )
            for step, execution in rows
            if may_decide(self.actor, _details(step), teams)
        ]


def asks_input(step: ExecutionStep) -> bool:
    """Whether it is data that it waits for, and no decision."""
    return (step.waiting_for or {}).get("kind") == "input"


def _waits_for_person(step: ExecutionStep) -> bool:
    return step.status == "waiting_approval" or (step.status == "waiting" and asks_input(step))


def _decision(data: ApproveRequest, details: dict[str, Any]) -> dict[str, Any]:
    if data.decision is None:
        raise ValidationFailed(fields={"decision": "is needed: approved or rejected"})
    if data.data is not None and not details.get("editable"):
        raise ValidationFailed(fields={"data": "this approval does not allow edits"})
    return {"kind": "approval", "decision": data.decision, "data": data.data}


def _form(data: ApproveRequest, details: dict[str, Any]) -> dict[str, Any]:
    if data.decision == "rejected":
        raise ValidationFailed(fields={"decision": "this step asks for data; it cannot be rejected"})
    check_fit(details.get("schema") or {}, data.data, "data", "The data do not fit what is asked for")
    return {"kind": "input", "data": data.data}


def _details(step: ExecutionStep) -> dict[str, Any]:
    return dict((step.waiting_for or {}).get("details") or {})


def _is_decision(step: ExecutionStep) -> bool:
    return isinstance(step.output_data, dict) and "decided_by" in step.output_data


def may_decide(actor: Actor, details: dict[str, Any], teams: Collection[UUID]) -> bool:
    """Approvers are ids of members or teams, e-mail addresses or roles; none named means every editor."""
    if not actor.is_person or not actor.can("approvals:decide"):
        return False
    approvers = details.get("approvers") or []
    mine = {str(actor.user_id), actor.email, actor.role, *map(str, teams)}
    return not approvers or bool(mine & set(map(str, approvers)))
