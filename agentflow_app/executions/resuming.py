"""What happens when the address of a step that waits for a call is called."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from agentflow_app.audit.service import record
from agentflow_app.core.addresses import thing_behind
from agentflow_app.core.database import database
from agentflow_app.core.errors import Conflict, NotFound
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.core.schemas import storable_json
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.addresses import RESUME
from agentflow_app.executions.base import ExecutionUseCases
from agentflow_app.executions.models import ExecutionStep
from agentflow_app.executions.schemas import ENDED
from agentflow_app.organizations.deletion import is_open


class CallNotFound(NotFound):
    """The same for a token that nobody gave out as for a step that is gone."""

    code = "CALL_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("Nothing waits for a call here")


class AlreadyCalled(Conflict):
    code = "ALREADY_CALLED"

    def __init__(self) -> None:
        super().__init__("The step waits no more: it was called already, or its time is over")


async def call(token: str, data: Any) -> UUID:
    """Lets the step go on with `data`; its execution's id. Raises CallNotFound or AlreadyCalled."""
    found = thing_behind(RESUME, token)
    if found is None:
        raise CallNotFound
    step_id, org_id = found
    storable_json(data, "body")
    actor = Actor.trigger(org_id)
    await rate_limits().organization(org_id, None)
    async with database().transaction(actor) as tx:
        if not await is_open(tx, actor):
            raise CallNotFound
        executions = ExecutionUseCases(tx, actor)
        of_step = select(col(ExecutionStep.execution_id)).where(col(ExecutionStep.id) == step_id)
        execution_id = (await tx.execute(of_step)).scalar_one_or_none()
        if execution_id is None:
            raise CallNotFound
        execution = await executions.load(execution_id, lock=True)
        # Locked, because a timer may expire a step without a look at its execution.
        locked = select(ExecutionStep).where(col(ExecutionStep.id) == step_id).with_for_update()
        step = (await tx.execute(locked)).scalar_one()
        if (step.waiting_for or {}).get("kind", "webhook") != "webhook":
            raise CallNotFound
        over = execution.status in ENDED or execution.cancel_requested
        if over or step.status != "waiting" or step.signal is not None:
            raise AlreadyCalled
        step.signal = {"kind": "webhook", "data": data}
        executions.due_now(execution)
        told = {"step_id": str(step.id), "node_id": step.node_id}
        record(tx, actor, "execution.called", "execution", execution.id, told)
    return execution_id
