"""The engine's door to other agents: a step's run is started once, whatever happens to who asks for it."""

import hashlib
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from agentflow_app.agents.base import AgentNotFound
from agentflow_app.agents.service import AgentService
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import AppError, NotFound, TooManyRequests, Unavailable, ValidationFailed
from agentflow_app.core.ids import parse_id
from agentflow_app.core.settings import settings
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.base import LIMITS
from agentflow_app.executions.claims import Claim
from agentflow_app.executions.deciding import ExecutionEnded
from agentflow_app.executions.journal import PostgresJournal
from agentflow_app.executions.kin import child_signal
from agentflow_app.executions.models import Execution, ExecutionStep
from agentflow_app.executions.payloads import whole
from agentflow_app.executions.schemas import ENDED, ExecuteRequest, ResumeRequest
from agentflow_app.executions.service import ExecutionService
from agentflow_app.executions.starting import Call
from engine.errors import (
    AgentRefusedError,
    AgentsUnavailableError,
    EngineError,
    InvalidInputError,
    LeaseLostError,
    NestedTooDeepError,
    UnknownAgentError,
)
from engine.ports import AgentCall, CalledRun

DEPTH = "depth"
"""Where a called run's `trigger` says how many callers it has."""
AFTER_ERROR = "after_error"
_UNKNOWN = "There is no agent of this id here; choose another one in the node"


class CalledAgents:
    """For one claimed execution, whose journal hears that runs depend on it."""

    def __init__(self, claim: Claim, journal: PostgresJournal) -> None:
        self._claim = claim
        self._journal = journal

    async def start(self, call: AgentCall) -> CalledRun:
        if call.waits:
            self._journal.calls = True
        try:
            async with database().transaction(org_id=self._claim.org_id) as tx:
                return await self._start(tx, call)
        except EngineError:
            raise
        except AppError as error:
            raise _told(error) from error

    async def cancel(self, execution_id: str) -> None:
        # One that is left by a database that is away is cancelled by the reconciler.
        with suppress(ExecutionEnded, NotFound, Unavailable):
            async with database().transaction(org_id=self._claim.org_id) as tx:
                await ExecutionService(tx, Actor.trigger(self._claim.org_id)).cancel(UUID(execution_id))

    async def _start(self, tx: Transaction, call: AgentCall) -> CalledRun:
        caller = await self._caller(tx)
        actor = replace(Actor.trigger(self._claim.org_id), user_id=caller.triggered_by_user)
        executions = ExecutionService(tx, actor)
        run_id = run_of(self._claim.id, call.key)
        known = await tx.get(Execution, run_id, with_for_update=True)
        if known is not None:
            # Who started the caller need not be who let it go on: the trail names nobody.
            nobody = ExecutionService(tx, Actor.trigger(self._claim.org_id))
            return await self._again(tx, nobody, known, call)
        agent_id = parse_id(call.agent_id)
        if agent_id is None:
            raise UnknownAgentError(_UNKNOWN)
        depth = int(caller.trigger.get(DEPTH, 0)) + 1
        if depth > (most := settings().max_agent_depth):
            raise NestedTooDeepError(
                f"Agents call one another more than {most} runs deep; see whether they call in a circle",
                details={"max_agent_depth": most},
            )
        step_id = UUID(call.step_id) if call.waits else None
        started = await executions.start(
            agent_id,
            ExecuteRequest(trigger_data=call.input),
            "agent",
            _trigger(caller, depth, call),
            called=Call(run_id, caller.id, step_id, caller.priority),
        )
        await self._bound(executions, await executions.load(started.id), call)
        return CalledRun(str(run_id))

    async def _caller(self, tx: Transaction) -> Execution:
        """The claimed execution, kept from ending meanwhile. Raises LeaseLostError."""
        query = select(Execution).where(
            col(Execution.id) == self._claim.id,
            col(Execution.epoch) == self._claim.epoch,
            col(Execution.status) == "running",
        )
        found = (await tx.execute(query.with_for_update(read=True))).scalar_one_or_none()
        if found is None:
            raise LeaseLostError(f"Execution {self._claim.id} is owned by another worker")
        return found

    async def _bound(self, executions: ExecutionService, called: Execution, call: AgentCall) -> None:
        """Lets it spend what its caller may still spend and no more, beside what it has spent already."""
        if call.max_cost is None:
            return
        agent = await AgentService(executions.tx, executions.actor).load(called.agent_id)
        own = agent.settings.get("max_cost")
        most = call.max_cost + called.total_cost
        limit = most if own is None else min(most, Decimal(own))
        limits = {**called.options.get(LIMITS, {}), "max_cost": format(limit, "f")}
        called.options = {**called.options, LIMITS: limits}

    async def _again(
        self, tx: Transaction, executions: ExecutionService, known: Execution, call: AgentCall
    ) -> CalledRun:
        """What was called before. One that failed goes on with its caller, once that has heard of it."""
        if not call.waits:
            return CalledRun(str(known.id))
        step_id = UUID(call.step_id)
        signal = select(col(ExecutionStep.signal)).where(col(ExecutionStep.id) == step_id)
        heard = (await tx.execute(signal)).scalar_one_or_none()
        if known.status == "completed" and heard is None:
            output = await whole(tx, known.id, known.output, known.output_ref)
            told = child_signal(known.status, output, known.error, known.total_tokens, known.total_cost)
            return CalledRun(str(known.id), told)
        if known.status in ENDED and heard is None:
            await self._bound(executions, known, call)
            await executions.resume(known.id, ResumeRequest())
        known.parent_step_id = step_id
        return CalledRun(str(known.id))


def run_of(parent: UUID, key: str) -> UUID:
    """The id of the run that is called under a key: a UUIDv7 of its caller's time."""
    noise = int.from_bytes(hashlib.sha256(key.encode()).digest()[:10])
    value = (parent.int >> 80 << 80) | noise
    return UUID(int=value & ~(0xF << 76 | 0x3 << 62) | 0x7 << 76 | 0x2 << 62)


def _trigger(caller: Execution, depth: int, call: AgentCall) -> dict[str, Any]:
    """What a failure's agents call runs no error agent either."""
    inherited = {AFTER_ERROR: True} if AFTER_ERROR in caller.trigger else {}
    by = {"agent_id": str(caller.agent_id), "node_id": call.node_id, "step_id": call.step_id}
    return {**inherited, DEPTH: depth, "called_by": by}


def _told(error: AppError) -> EngineError:
    if isinstance(error, AgentNotFound):
        return UnknownAgentError(_UNKNOWN)
    if isinstance(error, ValidationFailed):
        return InvalidInputError(
            f"The agent does not take this input: {error.message}", details=error.details
        )
    if isinstance(error, TooManyRequests | Unavailable):
        return AgentsUnavailableError(error.message, retry_after=error.retry_after)
    return AgentRefusedError(f"The agent was not run: {error.message}", details={"code": error.code})
