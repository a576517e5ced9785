"""When agents run by themselves."""

from dataclasses import dataclass, field

import reflex as rx

from agentflow_app.schedules.schemas import ScheduleOut, ScheduleQuery
from agentflow_app.schedules.service import ScheduleService
from agentflow_app.ui.figures import moment
from agentflow_app.ui.session import PageState, acts, event, loads
from agentflow_app.ui.shell import Shell


@dataclass
class ScheduleRow:
    id: str = ""
    agent_id: str = ""
    agent_name: str = ""
    status: str = ""
    rhythm: str = ""
    zone: str = ""
    upcoming: list[str] = field(default_factory=list)
    next_at: str = ""
    last_at: str = ""
    last_run: str = ""
    problem: str = ""


class Schedules(PageState, rx.State):
    rows: list[ScheduleRow] = []
    search: str = ""
    more: bool = False
    _cursor: str | None = None

    @event
    @loads
    async def load(self) -> None:
        self.rows, self._cursor = [], None
        shell = await self.get_state(Shell)
        async with self._transaction() as (tx, actor):
            shell._show(actor)
            await self._read(ScheduleService(tx, actor))

    async def _read(self, schedules: ScheduleService) -> None:
        query = ScheduleQuery(search=self.search or None, limit=50, cursor=self._cursor)
        page = await schedules.list(query)
        self.rows = [*self.rows, *(_row(each) for each in page.data)]
        self._cursor, self.more = page.next_cursor, page.next_cursor is not None

    @event
    @acts
    async def load_more(self) -> None:
        async with self._transaction() as (tx, actor):
            await self._read(ScheduleService(tx, actor))

    @event
    @acts
    async def set_search(self, search: str) -> None:
        self.search = str(search)[:200]
        self.rows, self._cursor = [], None
        async with self._transaction() as (tx, actor):
            await self._read(ScheduleService(tx, actor))


def _row(found: ScheduleOut) -> ScheduleRow:
    return ScheduleRow(
        id=str(found.id),
        agent_id=str(found.agent_id),
        agent_name=found.agent_name,
        status=found.status,
        rhythm=found.cron or f"every {found.every_seconds} s",
        zone=found.timezone,
        upcoming=[as_shown(each.local) for each in found.upcoming],
        next_at=moment(found.next_at),
        last_at=moment(found.last_at),
        last_run=str(found.last_execution_id or ""),
        problem=found.last_problem or "",
    )


def as_shown(local: str) -> str:
    """`2026-11-22T02:30:00+01:00` as the clock on the wall has it."""
    return local[:19].replace("T", " ").removesuffix(":00")
