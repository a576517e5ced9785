"""Starts the runs of schedules that are due. Several may do so: each tick has one run.

Who is due is asked for across tenants; all that comes of it happens in one transaction of the schedule's own
tenant, which holds its row: the run, the note that this tick had it, and when the next one is.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import AppError, Unavailable
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.schemas import ExecuteRequest, ExecutionOut
from agentflow_app.executions.service import ExecutionService
from agentflow_app.schedules.keeping import database_time, plan_of
from agentflow_app.schedules.models import AgentSchedule, ScheduleTick
from engine.schedule import InvalidScheduleError

logger = logging.getLogger(__name__)
LATE = timedelta(seconds=60)
"""A tick that is later than this was missed."""
BATCH = 200
AT_ONCE = 4
KEPT_DAYS = 30

# Of an organization that is suspended or deleted nothing starts.
_OPEN = """
    FROM schedules s
    JOIN organizations o ON o.id = s.org_id AND o.suspended_at IS NULL AND o.deleted_at IS NULL
"""
_DUE = text(f"SELECT s.id, s.org_id {_OPEN} WHERE s.next_at <= now() ORDER BY s.next_at LIMIT :limit")
_NEXT = text(f"SELECT extract(epoch FROM min(s.next_at) - now())::float {_OPEN}")  # noqa: S608
_FORGET = text("DELETE FROM schedule_ticks WHERE scheduled_at < now() - make_interval(days => :days)")


@dataclass(frozen=True, slots=True)
class Tick:
    """Of all that was due at once, the one that may have its run. `missed`: it is later than it should be."""

    at: datetime
    missed: bool
    following: datetime | None


async def tick() -> int:
    """Starts what is due; how many runs. What failed for want of the database is due still."""
    async with database().system() as tx:
        due = [(row[0], row[1]) for row in await tx.execute(_DUE, {"limit": BATCH})]
    free = asyncio.Semaphore(AT_ONCE)

    async def one(schedule_id: UUID, org_id: UUID) -> bool:
        async with free:
            try:
                return await _tick(schedule_id, org_id)
            except Unavailable as error:
                logger.warning("A tick is tried again", extra={"error": error.message})
            except Exception:
                logger.exception("A tick crashed; it is tried again")
            return False

    return sum(await asyncio.gather(*(one(*each) for each in due)))


async def next_due_in() -> float | None:
    """Seconds until something is due; None where nothing ever is."""
    async with database().system() as tx:
        found: float | None = (await tx.execute(_NEXT)).scalar_one()
    return found


async def sweep_ticks() -> None:
    """Forgets ticks that no clock comes back to."""
    async with database().system() as tx:
        await tx.execute(_FORGET, {"days": KEPT_DAYS})


async def _tick(schedule_id: UUID, org_id: UUID) -> bool:
    actor = Actor.trigger(org_id)
    async with database().transaction(actor) as tx:
        row = (
            await tx.execute(
                select(AgentSchedule)
                .where(col(AgentSchedule.id) == schedule_id, col(AgentSchedule.next_at) <= func.now())
                .with_for_update(skip_locked=True)
            )
        ).scalar_one_or_none()
        if row is None or row.next_at is None:
            return False
        try:
            found = _choose(row, await database_time(tx))
        except InvalidScheduleError as error:
            row.next_at, row.last_problem = None, str(error)
            return False
        row.next_at = found.following
        if found.missed and row.missed == "skip":
            row.last_problem = f"Missed at {_written(found.at)}: nothing ran then"
            return False
        if not await _first(tx, row, found.at):
            return False
        row.last_at = found.at
        execution = await _start(tx, actor, row, found.at)
        row.last_execution_id = execution.id if execution else None
        return execution is not None


def _choose(row: AgentSchedule, now: datetime) -> Tick:
    """However many ticks have passed, the last of them stands for all: nothing piles up."""
    plan = plan_of(row)
    assert row.next_at is not None
    at = plan.latest(row.next_at, now)
    return Tick(at, now - at > LATE, plan.after(max(at, now)))


async def _first(tx: Transaction, row: AgentSchedule, at: datetime) -> bool:
    """Whether this tick had no run yet."""
    note = {"agent_id": row.agent_id, "node_id": row.node_id, "scheduled_at": at, "org_id": row.org_id}
    noted = insert(ScheduleTick).values(note).on_conflict_do_nothing()
    return (await tx.execute(noted.returning(col(ScheduleTick.agent_id)))).first() is not None


async def _start(tx: Transaction, actor: Actor, row: AgentSchedule, at: datetime) -> ExecutionOut | None:
    """None where it is refused, by the plan's limit say; the tick is over all the same."""
    request = ExecuteRequest(trigger_data={"scheduled_at": _written(at)})
    try:
        async with tx.begin_nested():
            started = await ExecutionService(tx, actor).start(
                row.agent_id, request, "schedule", node_id=row.node_id
            )
    except Unavailable:
        raise
    except AppError as error:
        row.last_problem = f"Not started at {_written(at)}: {error.message}"[:500]
        logger.warning("A schedule's run was refused", extra={"code": error.code, "error": error.message})
        return None
    row.last_problem = None
    return started


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
