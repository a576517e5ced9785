"""Removes ended runs, and what they logged, once their organization keeps them no longer.

Each piece is a short transaction of the organization's own tenant, and tells the audit trail what went.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, select, text
from sqlmodel import col

from agentflow_app.audit.service import record
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.models import Execution, ExecutionLog
from agentflow_app.executions.schemas import ENDED
from agentflow_app.organizations.service import retaining

BATCH = 200
REMOVED = "[removed]"
# Numbers of events have no gaps, so that an event that told of a log entry stays without what it told.
_EMPTY_EVENTS = text(
    """
    UPDATE execution_events SET event = event || jsonb_build_object('message', cast(:removed AS text),
        'data', NULL)
    WHERE execution_id = ANY(:ids) AND event ->> 'type' = 'log'
    """
)


async def remove_old_runs() -> None:
    """Of every organization that chose how long runs and logs are kept."""
    for org_id, chosen in await retaining():
        if chosen.retention_days is not None:
            while await _remove_runs(org_id, chosen.retention_days) == BATCH:
                pass
        if chosen.log_retention_days is not None:
            while await _remove_logs(org_id, chosen.log_retention_days) == BATCH:
                pass


def _ended_before(org_id: UUID, days: int) -> tuple[ColumnElement[bool], ...]:
    before = func.now() - timedelta(days=days)
    return (
        col(Execution.org_id) == org_id,
        col(Execution.created_at) < before,  # implied by the next, and what the index is on
        col(Execution.completed_at) < before,
        col(Execution.status).in_(ENDED),
    )


async def _remove_runs(org_id: UUID, days: int) -> int:
    """With steps, logs and events. How many."""
    old = select(col(Execution.id)).where(*_ended_before(org_id, days))
    some = old.order_by(col(Execution.created_at)).limit(BATCH).with_for_update(skip_locked=True)
    async with database().transaction(org_id=org_id) as tx:
        ids = list((await tx.execute(some)).scalars())
        if ids:
            await tx.execute(delete(Execution).where(col(Execution.id).in_(ids)))
            _tell(tx, org_id, "executions.removed", {"executions": len(ids), "after_days": days})
    return len(ids)


async def _remove_logs(org_id: UUID, days: int) -> int:
    """Of how many runs."""
    logged = exists().where(col(ExecutionLog.execution_id) == col(Execution.id))
    old = select(col(Execution.id)).where(*_ended_before(org_id, days), logged)
    some = old.order_by(col(Execution.created_at)).limit(BATCH).with_for_update(skip_locked=True)
    async with database().transaction(org_id=org_id) as tx:
        ids = list((await tx.execute(some)).scalars())
        if ids:
            await tx.execute(delete(ExecutionLog).where(col(ExecutionLog.execution_id).in_(ids)))
            await tx.execute(_EMPTY_EVENTS, {"ids": ids, "removed": REMOVED})
            _tell(tx, org_id, "executions.logs_removed", {"executions": len(ids), "after_days": days})
    return len(ids)


def _tell(tx: Transaction, org_id: UUID, action: str, told: dict[str, Any]) -> None:
    record(tx, Actor(None, org_id, "viewer", "", "", ""), action, "organization", org_id, told)
