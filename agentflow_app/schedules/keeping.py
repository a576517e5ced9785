"""Keeps the schedules in step with their agents, in the transaction that changes the agent."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import delete, func, select, update
from sqlmodel import col

from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction
from agentflow_app.core.errors import Conflict
from agentflow_app.schedules.models import AgentSchedule
from engine.attempt import config_problems
from engine.definition import Definition
from engine.nodes.trigger.schedule import ScheduleConfig
from engine.schedule import Schedule, schedule_of


async def database_time(tx: Transaction) -> datetime:
    return (await tx.execute(select(func.now()))).scalar_one()


class StaleSchedule(Conflict):
    """The version was published when its time zone still was one."""

    code = "STALE_SCHEDULE"


def _configs(definition: Definition) -> dict[str, ScheduleConfig]:
    """The schedule triggers that are enabled, by node. Raises StaleSchedule."""
    nodes = [node for node in definition.triggers() if node.subtype == "schedule" and not node.disabled]
    try:
        return {node.id: ScheduleConfig.model_validate(node.config) for node in nodes}
    except ValidationError as error:
        reason = "; ".join(text for _, text in config_problems(error))
        raise StaleSchedule(f"The schedule is not valid any more: {reason}. Mend it and publish") from error


async def keep(tx: Transaction, org_id: UUID, agent_id: UUID, definition: Definition) -> None:
    """The agent runs by `definition` from now on. A tick that is due already stays due; what was missed while
    the agent was paused was not wanted. Raises StaleSchedule.
    """
    wanted = _configs(definition)
    kept = {row.node_id: row for row in await _rows(tx, agent_id)}
    gone = kept.keys() - wanted.keys()
    if gone:
        await tx.execute(
            delete(AgentSchedule).where(col(AgentSchedule.id).in_([kept[key].id for key in gone]))
        )
    if not wanted:
        return
    now = await database_time(tx)
    for node_id, config in wanted.items():
        row = kept.get(node_id)
        zone = config.timezone or "UTC"
        same = row is not None and (row.cron, row.every_seconds, row.timezone) == (
            config.cron,
            config.every_seconds,
            zone,
        )
        if row is None:
            row = AgentSchedule(
                org_id=org_id, agent_id=agent_id, node_id=node_id, timezone=zone, missed=config.missed
            )
            tx.add(row)
        row.cron, row.every_seconds, row.timezone = config.cron, config.every_seconds, zone
        row.missed, row.updated_at = config.missed, utcnow()
        if not same or row.next_at is None:
            row.next_at, row.last_problem = config.schedule().after(now), None
    await tx.flush()


async def pause(tx: Transaction, agent_id: UUID) -> None:
    await tx.execute(
        update(AgentSchedule).where(col(AgentSchedule.agent_id) == agent_id).values(next_at=None)
    )


async def remove(tx: Transaction, agent_id: UUID) -> None:
    await tx.execute(delete(AgentSchedule).where(col(AgentSchedule.agent_id) == agent_id))


def plan_of(row: AgentSchedule) -> Schedule:
    """Raises InvalidScheduleError, for a time zone that is no more."""
    return schedule_of(row.cron, row.every_seconds, row.timezone)


async def _rows(tx: Transaction, agent_id: UUID) -> Iterable[AgentSchedule]:
    # A tick that is being worked off is waited for.
    query = select(AgentSchedule).where(col(AgentSchedule.agent_id) == agent_id).with_for_update()
    return (await tx.execute(query)).scalars()
