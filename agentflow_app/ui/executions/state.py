"""The list of runs, kept current, and the page of one."""

from contextlib import aclosing
from typing import Any, get_args
from urllib.parse import urlencode

import reflex as rx

from agentflow_app.core.errors import AppError
from agentflow_app.executions.schemas import ExecuteRequest, ExecutionQuery, ExecutionStatus
from agentflow_app.executions.service import ExecutionService
from agentflow_app.executions.stream import watch
from agentflow_app.ui.executions.again import Again
from agentflow_app.ui.executions.gathering import gathered
from agentflow_app.ui.executions.live import Live
from agentflow_app.ui.executions.view import RunRow, run_row
from agentflow_app.ui.session import PageState, SignedOut, actor_of, acts, background, event, id_of, loads
from agentflow_app.ui.shell import Shell

STATUSES: tuple[str, ...] = get_args(ExecutionStatus)
KINDS = ("real", "test")


class Runs(PageState, rx.State):
    """Runs, newest first. Search and filters live in the URL."""

    rows: list[RunRow] = []
    search: str = ""
    status: str = ""
    kind: str = "real"
    agent_id: str = ""
    chosen: list[str] = []
    """At most two, to be compared; the one chosen first is the first."""
    more: bool = False
    loading_more: bool = False
    _cursor: str | None = None
    _generation: int = 0

    def _query(self, **extra: Any) -> ExecutionQuery:
        return ExecutionQuery(
            search=self.search or None,
            status=self.status or None,
            dry_run={"real": False, "test": True}.get(self.kind),
            agent_id=id_of(self.agent_id) if self.agent_id else None,
            **extra,
        )

    @event
    @loads
    async def load(self) -> Any:
        parameters = self.router.url.query_parameters
        self.search = parameters.get("search", "")[:200]
        self.status = parameters.get("status", "") if parameters.get("status") in STATUSES else ""
        self.kind = parameters.get("kind", "real") if parameters.get("kind") in (*KINDS, "all") else "real"
        self.agent_id = parameters.get("agent", "")
        self._generation += 1
        shell = await self.get_state(Shell)
        async with self._transaction() as (tx, actor):
            shell._show(actor)
            page = await ExecutionService(tx, actor).list(self._query())
            shell.waiting = len(await ExecutionService(tx, actor).approvals())
        self.rows, self.chosen = [run_row(run) for run in page.data], []
        self._cursor, self.more = page.next_cursor, page.next_cursor is not None
        return Runs.watch

    @event
    @acts
    async def load_more(self) -> None:
        async with self._transaction() as (tx, actor):
            page = await ExecutionService(tx, actor).list(self._query(cursor=self._cursor))
        self.rows = [*self.rows, *(run_row(run) for run in page.data)]
        self._cursor, self.more = page.next_cursor, page.next_cursor is not None

    @background
    async def watch(self) -> None:
        """Updates rows whose status changed, and puts new ones on top while the list is at its start."""
        async with self:
            generation, token = self._generation, self.router.session.client_token
            try:
                actor = await actor_of(self)
            except SignedOut:
                return
        async with aclosing(gathered(watch(actor), token)) as batches:
            async for changed in batches:
                async with self:
                    if self._generation != generation or self.router.url.path.rstrip("/") != "/runs":
                        return
                    for execution_id in dict.fromkeys(changed):
                        await self._refresh(execution_id)

    async def _refresh(self, execution_id: str) -> None:
        try:
            async with self._transaction() as (tx, actor):
                run = run_row(await ExecutionService(tx, actor).get(id_of(execution_id)))
        except (AppError, SignedOut):
            return
        places = {row.id: place for place, row in enumerate(self.rows)}
        if execution_id in places:
            self.rows[places[execution_id]] = run
        elif self._shows(run):
            self.rows = [run, *self.rows]

    def _shows(self, run: RunRow) -> bool:
        wanted = self.kind == "all" or run.dry_run == (self.kind == "test")
        return (
            wanted
            and not self.search
            and (not self.status or run.status == self.status)
            and (not self.agent_id or run.agent_id == self.agent_id)
        )

    @event
    async def choose(self, execution_id: str) -> None:
        """Or takes it back; a third one takes the place of the second."""
        if execution_id in self.chosen:
            self.chosen = [each for each in self.chosen if each != execution_id]
        else:
            self.chosen = [*self.chosen[:1], str(execution_id)]

    @event
    async def clear_choice(self) -> None:
        self.chosen = []

    def _go(self) -> Any:
        filters = {
            "search": self.search,
            "status": self.status,
            "kind": self.kind if self.kind != "real" else "",
            "agent": self.agent_id,
        }
        query = urlencode({name: value for name, value in filters.items() if value})
        return rx.redirect(f"/runs?{query}" if query else "/runs", replace=True)

    @event
    async def set_search(self, search: str) -> Any:
        self.search = str(search)[:200]
        return self._go()

    @event
    async def set_status(self, status: str) -> Any:
        self.status = status if status in STATUSES else ""
        return self._go()

    @event
    async def set_kind(self, kind: str) -> Any:
        self.kind = kind if kind in (*KINDS, "all") else "real"
        return self._go()

    @event
    async def clear(self) -> Any:
        self.search, self.status, self.kind, self.agent_id = "", "", "real", ""
        return self._go()


class Run(PageState, rx.State):
    """The page of one run; what it shows is in `Live`."""

    @event
    @loads
    async def load(self) -> Any:
        live = await self.get_state(Live)
        shell = await self.get_state(Shell)
        live._clear()
        (await self.get_state(Again)).asking = False
        async with self._transaction() as (tx, actor):
            shell._show(actor)
            await live._open(tx, actor, id_of(self.router.url.path.rstrip("/").rpartition("/")[2]))
            shell.waiting = len(await ExecutionService(tx, actor).approvals())
        return Live.follow

    @event
    @acts
    async def run_again(self) -> Any:
        live = await self.get_state(Live)
        async with self._transaction() as (tx, actor):
            service = ExecutionService(tx, actor)
            before = await service.get(id_of(live.run.id))
            run = await service.start(before.agent_id, ExecuteRequest(trigger_data=before.trigger_data))
        return rx.redirect(f"/runs/{run.id}")
