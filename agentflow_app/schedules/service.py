"""Schedules as people and callers see them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy import select
from sqlmodel import col

from agentflow_app.agents.service import AgentService
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction
from agentflow_app.core.errors import NotFound
from agentflow_app.core.pagination import Page, paginate
from agentflow_app.core.tenancy import Actor
from agentflow_app.schedules.keeping import database_time, plan_of
from agentflow_app.schedules.models import AgentSchedule
from agentflow_app.schedules.schemas import ScheduleOut, ScheduleQuery, UpcomingOut
from engine.nodes.trigger.schedule import ScheduleConfig
from engine.schedule import InvalidScheduleError, Schedule

SHOWN = 5
Rendered = list[ScheduleOut]
_COMPUTED = {"agent_name", "status", "upcoming"}


class ScheduleNotFound(NotFound):
    code = "SCHEDULE_NOT_FOUND"

    def __init__(self, schedule_id: UUID) -> None:
        super().__init__(f"There is no schedule {schedule_id}")


class ScheduleService:
    """Bound to one transaction and one actor. Schedules are parts of agents, and seen by who sees those."""

    def __init__(self, tx: Transaction, actor: Actor) -> None:
        self.tx = tx
        self.actor = actor

    async def list(self, query: ScheduleQuery) -> Page[ScheduleOut]:
        self.actor.require("agents:read")
        statement = select(AgentSchedule).where(col(AgentSchedule.org_id) == self.actor.org_id)
        if query.agent_id:
            statement = statement.where(col(AgentSchedule.agent_id) == query.agent_id)
        if query.status == "active":
            statement = statement.where(col(AgentSchedule.next_at).is_not(None))
        if query.status == "paused":
            statement = statement.where(col(AgentSchedule.next_at).is_(None))
        if query.search:
            statement = statement.where(
                col(AgentSchedule.agent_id).in_(
                    await AgentService(self.tx, self.actor).ids_named(query.search)
                )
            )
        columns = {"created_at": col(AgentSchedule.created_at), "updated_at": col(AgentSchedule.updated_at)}
        page = await paginate(self.tx, statement, query, columns, col(AgentSchedule.id), _same)
        return Page(data=await self._render(page.data), next_cursor=page.next_cursor)

    async def get(self, schedule_id: UUID) -> ScheduleOut:
        """Raises ScheduleNotFound."""
        self.actor.require("agents:read")
        query = select(AgentSchedule).where(
            col(AgentSchedule.id) == schedule_id, col(AgentSchedule.org_id) == self.actor.org_id
        )
        row = (await self.tx.execute(query)).scalar_one_or_none()
        if row is None:
            raise ScheduleNotFound(schedule_id)
        return (await self._render([row]))[0]

    async def _render(self, rows: Sequence[AgentSchedule]) -> Rendered:
        names = await AgentService(self.tx, self.actor).names({row.agent_id for row in rows})
        now = await database_time(self.tx)
        kept = set(ScheduleOut.model_fields) - _COMPUTED
        return [
            ScheduleOut(
                **row.model_dump(include=kept),
                agent_name=names[row.agent_id],
                status="active" if row.next_at is not None else "paused",
                upcoming=_upcoming(row, now),
            )
            for row in rows
        ]


def _upcoming(row: AgentSchedule, now: datetime) -> list[UpcomingOut]:
    if row.next_at is None:
        return []
    try:
        return shown(plan_of(row), row.timezone, now)
    except InvalidScheduleError:
        return []


def shown(plan: Schedule, timezone: str, now: datetime) -> list[UpcomingOut]:
    """The next times, as they are told."""
    zone = ZoneInfo(timezone)
    times = plan.upcoming(now, SHOWN)
    return [UpcomingOut(at=each, local=each.astimezone(zone).isoformat()) for each in times]


def preview(graph: dict[str, Any]) -> dict[str, list[UpcomingOut]]:
    """The next times of each schedule trigger of a graph, by its node; of those whose settings are sound."""
    found: dict[str, list[UpcomingOut]] = {}
    for node in graph.get("nodes", ()):
        if (node.get("type"), node.get("subtype")) != ("trigger", "schedule"):
            continue
        try:
            config = ScheduleConfig.model_validate(node.get("config"))
        except ValidationError:
            continue
        found[node["id"]] = shown(config.schedule(), config.timezone or "UTC", utcnow())
    return found


def _same(row: AgentSchedule) -> AgentSchedule:
    return row
