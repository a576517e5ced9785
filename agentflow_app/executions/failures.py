"""Runs the error agent of a run that failed. That one is due is recorded with the failure itself."""

import logging
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import database
from agentflow_app.core.errors import AppError, TooManyRequests, Unavailable
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.models import Execution, ExecutionLog
from agentflow_app.executions.payloads import trigger_data
from agentflow_app.executions.schemas import ExecuteRequest
from agentflow_app.executions.starting import StartUseCases

logger = logging.getLogger(__name__)


async def tell_failures(limit: int) -> None:
    """Starts what is due, each run once, however many processes do it at the same time."""
    for execution_id, org_id in await _due(limit):
        try:
            await _tell(execution_id, org_id)
        except (TooManyRequests, Unavailable) as error:
            told = {"execution_id": str(execution_id), "error": error.message}
            logger.warning("The error agent did not run yet; it is tried again", extra=told)


async def _due(limit: int) -> list[tuple[UUID, UUID]]:
    query = (
        select(col(Execution.id), col(Execution.org_id))
        .where(col(Execution.error_agent_id).is_not(None))
        .order_by(col(Execution.id))
        .limit(limit)
    )
    async with database().system() as tx:
        return [(row[0], row[1]) for row in await tx.execute(query)]


async def _tell(execution_id: UUID, org_id: UUID) -> None:
    actor = Actor.trigger(org_id)
    async with database().transaction(actor) as tx:
        query = select(Execution).where(
            col(Execution.id) == execution_id, col(Execution.error_agent_id).is_not(None)
        )
        failed = (await tx.execute(query.with_for_update(skip_locked=True))).scalar_one_or_none()
        if failed is None or failed.error_agent_id is None:
            return
        agent_id, failed.error_agent_id = failed.error_agent_id, None
        request = ExecuteRequest(trigger_data=_told(failed, await trigger_data(tx, failed)))
        try:
            await StartUseCases(tx, actor).start(agent_id, request, "error", {"after_error": True})
        except (TooManyRequests, Unavailable):
            raise
        except AppError as error:
            tx.add(_log(failed, error))


def _told(failed: Execution, data: Any) -> dict[str, Any]:
    return {
        "execution_id": str(failed.id),
        "agent_id": str(failed.agent_id),
        "error": failed.error,
        "trigger_data": data,
    }


def _log(failed: Execution, error: AppError) -> ExecutionLog:
    return ExecutionLog(
        org_id=failed.org_id,
        execution_id=failed.id,
        level="warning",
        message=f"The error agent did not run: {error.message}",
        data={"code": error.code},
        created_at=utcnow(),
    )
