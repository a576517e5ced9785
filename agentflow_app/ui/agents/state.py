"""The list of agents, and making a new one."""

import json
from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import urlencode

import reflex as rx

from agentflow_app.agents.schemas import AgentCreate, AgentOut, AgentQuery, AgentStatus
from agentflow_app.agents.service import AgentService
from agentflow_app.executions.service import ExecutionService
from agentflow_app.organizations.welcome import sample_definition
from agentflow_app.ui.figures import moment, percent
from agentflow_app.ui.session import PageState, acts, event, id_of, loads
from agentflow_app.ui.shell import Shell

STATUSES: tuple[str, ...] = get_args(AgentStatus)
SOURCES = ("blank", "sample", "import")


@dataclass
class AgentRow:
    id: str = ""
    name: str = ""
    description: str = ""
    status: str = ""
    trigger: str = ""
    version: str = ""
    runs: int = 0
    success: str = ""
    last_run: str = ""


class Agents(PageState, rx.State):
    """Agents, the ones changed last first. Search and filter live in the URL."""

    rows: list[AgentRow] = []
    search: str = ""
    status: str = ""
    more: bool = False
    loading_more: bool = False

    creating: bool = False
    source: str = "blank"
    name: str = ""
    pasted: str = ""
    form_error: str = ""
    busy: bool = False

    leaving: AgentRow = AgentRow()
    confirm_open: bool = False
    _cursor: str | None = None

    def _query(self, **extra: Any) -> AgentQuery:
        return AgentQuery(
            search=self.search or None,
            status=self.status or None,
            sort="updated_at",
            **extra,
        )

    @event
    @loads
    async def load(self) -> None:
        parameters = self.router.url.query_parameters
        self.search = parameters.get("search", "")[:200]
        self.status = parameters.get("status", "") if parameters.get("status") in STATUSES else ""
        self.creating, self.confirm_open = False, False
        shell = await self.get_state(Shell)
        async with self._transaction() as (tx, actor):
            shell._show(actor)
            page = await AgentService(tx, actor).list(self._query())
            shell.waiting = len(await ExecutionService(tx, actor).approvals())
        self.rows = [_row(agent) for agent in page.data]
        self._cursor, self.more = page.next_cursor, page.next_cursor is not None

    @event
    @acts
    async def load_more(self) -> None:
        async with self._transaction() as (tx, actor):
            page = await AgentService(tx, actor).list(self._query(cursor=self._cursor))
        self.rows = [*self.rows, *(_row(agent) for agent in page.data)]
        self._cursor, self.more = page.next_cursor, page.next_cursor is not None

    def _go(self) -> Any:
        filters = {"search": self.search, "status": self.status}
        query = urlencode({name: value for name, value in filters.items() if value})
        return rx.redirect(f"/agents?{query}" if query else "/agents", replace=True)

    @event
    async def set_search(self, search: str) -> Any:
        self.search = str(search)[:200]
        return self._go()

    @event
    async def set_status(self, status: str) -> Any:
        self.status = status if status in STATUSES else ""
        return self._go()

    @event
    async def clear(self) -> Any:
        self.search, self.status = "", ""
        return self._go()

    @event
    async def open_new(self, source: str) -> None:
        self.source = source if source in SOURCES else "blank"
        self.creating, self.form_error, self.name, self.pasted = True, "", "", ""

    @event
    async def set_creating(self, is_open: bool) -> None:
        self.creating = bool(is_open)

    @event
    async def set_source(self, source: str) -> None:
        self.source, self.form_error = (source if source in SOURCES else "blank"), ""

    @event
    async def set_name(self, name: str) -> None:
        self.name = str(name)[:255]

    @event
    async def set_pasted(self, text: str) -> None:
        self.pasted = str(text)

    @event
    async def create_agent(self) -> Any:
        # Not while typing: the dialog would shrink under the pointer that is about to press the button.
        self.busy, self.form_error = True, ""
        yield
        yield await self._create()
        self.busy = False

    @acts
    async def _create(self) -> Any:
        name = self.name.strip()
        if not name:
            self.form_error = "Give the agent a name"
            return None
        definition: Any = None
        if self.source == "import":
            try:
                definition = json.loads(self.pasted)
            except ValueError as error:
                self.form_error = f"This is not JSON: {error}"
                return None
            if not isinstance(definition, dict):
                self.form_error = "A definition is a JSON object with nodes and edges"
                return None
            # What `agentflow export` and the API give wraps the definition.
            definition = definition.get("definition", definition)
        elif self.source == "sample":
            definition = sample_definition()
        data = AgentCreate(
            name=name, definition=definition, trigger_type="manual" if self.source == "blank" else None
        )
        async with self._transaction() as (tx, actor):
            agent = await AgentService(tx, actor).create(data)
        self.creating = False
        return rx.redirect(f"/agents/{agent.id}")

    @event
    @acts
    async def set_agent_status(self, agent_id: str, status: str) -> Any:
        async with self._transaction() as (tx, actor):
            await AgentService(tx, actor).set_status(id_of(agent_id), status)
            page = await AgentService(tx, actor).list(self._query())
        self.rows = [_row(agent) for agent in page.data]
        return rx.toast.success("Paused: it no longer runs" if status == "paused" else "Active again")

    @event
    async def ask_archive(self, agent_id: str, name: str) -> None:
        self.leaving, self.confirm_open = AgentRow(id=str(agent_id), name=str(name)), True

    @event
    async def set_confirm_open(self, is_open: bool) -> None:
        self.confirm_open = bool(is_open)

    @event
    @acts
    async def archive(self) -> Any:
        self.confirm_open = False
        async with self._transaction() as (tx, actor):
            await AgentService(tx, actor).archive(id_of(self.leaving.id))
        self.rows = [row for row in self.rows if row.id != self.leaving.id]
        return rx.toast.success(f"Archived {self.leaving.name}", description="Its history stays.")


def _row(agent: AgentOut) -> AgentRow:
    return AgentRow(
        id=str(agent.id),
        name=agent.name,
        description=agent.description or "",
        status=agent.status,
        trigger=(agent.trigger_type or "manual").capitalize(),
        version=f"v{agent.latest_version}" if agent.latest_version else "",
        runs=agent.stats.executions,
        success=percent(agent.stats.success_rate),
        last_run=moment(agent.stats.last_executed_at),
    )
