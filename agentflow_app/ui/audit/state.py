"""The audit trail: searched, filtered, exported, and whether it is whole."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import reflex as rx

from agentflow_app.audit import chain
from agentflow_app.audit.schemas import AuditEntry, AuditQuery, ExportQuery
from agentflow_app.audit.trail import AuditTrail
from agentflow_app.core.serialization import dumps
from agentflow_app.ui.figures import moment
from agentflow_app.ui.session import PageState, acts, event, loads
from agentflow_app.ui.shell import Shell

AREAS = (
    "agent",
    "api_key",
    "audit",
    "credential",
    "execution",
    "invitation",
    "member",
    "organization",
    "secret",
    "sso",
    "team",
    "user",
    "variable",
)
PATH = "/settings/audit"
FORMATS = ("csv", "jsonl")


@dataclass
class EntryRow:
    id: str = ""
    what: str = ""
    who: str = ""
    about: str = ""
    email: str = ""
    resource: str = ""
    address: str = ""
    user_agent: str = ""
    when: str = ""
    details: str = ""
    hash: str = ""


class Audit(PageState, rx.State):
    rows: list[EntryRow] = []
    search: str = ""
    area: str = ""
    more: bool = False
    shown: EntryRow = EntryRow()
    open_entry: bool = False
    entries: int = 0
    intact: bool = True
    broken_at: int = 0
    head: str = ""
    _cursor: str | None = None

    def _query(self, cursor: str | None = None) -> AuditQuery:
        return AuditQuery(
            search=self.search or None, action=self.area or None, sort="seq", limit=50, cursor=cursor
        )

    @event
    @loads
    async def load(self) -> None:
        parameters = self.router.url.query_parameters
        self.search = parameters.get("search", "")[:200]
        self.area = parameters.get("area", "") if parameters.get("area") in AREAS else ""
        self.open_entry = False
        shell = await self.get_state(Shell)
        async with self._transaction() as (tx, actor):
            shell._show(actor)
            page = await AuditTrail(tx, actor).page(self._query())
            found = await chain.check(tx, actor)
        self.rows = [_row(entry) for entry in page.data]
        self._cursor, self.more = page.next_cursor, page.next_cursor is not None
        self.entries, self.intact, self.head = found.entries, found.intact, found.head
        self.broken_at = found.broken_at or 0

    @event
    @acts
    async def load_more(self) -> None:
        async with self._transaction() as (tx, actor):
            page = await AuditTrail(tx, actor).page(self._query(self._cursor))
        self.rows = [*self.rows, *(_row(entry) for entry in page.data)]
        self._cursor, self.more = page.next_cursor, page.next_cursor is not None

    @event
    async def set_search(self, search: str) -> Any:
        self.search = str(search)[:200]
        return self._go()

    @event
    async def set_area(self, area: str) -> Any:
        self.area = area if area in AREAS else ""
        return self._go()

    def _go(self) -> Any:
        filters = {name: value for name, value in (("search", self.search), ("area", self.area)) if value}
        path = f"{PATH}?{urlencode(filters)}" if filters else PATH
        return rx.redirect(path, replace=True)

    @event
    @acts
    async def show(self, entry_id: str) -> None:
        await self._ensure("audit:read")
        self.shown = next((row for row in self.rows if row.id == entry_id), EntryRow())
        self.open_entry = bool(self.shown.id)

    @event
    async def set_open_entry(self, is_open: bool) -> None:
        self.open_entry = bool(is_open) and bool(self.shown.id)

    @event
    @acts
    async def export(self, form: str) -> Any:
        wanted = form if form in FORMATS else "csv"
        query = ExportQuery.model_validate({"format": wanted, "action": self.area or None})
        async with self._transaction() as (tx, actor):
            content = await AuditTrail(tx, actor).export(query)
        return rx.download(data=content, filename=f"audit-log.{wanted}")


def _row(entry: AuditEntry) -> EntryRow:
    area, _, verb = entry.action.rpartition(".")
    others = [name for person, name in entry.people.items() if person != entry.user_id]
    name = entry.details.get("name") or entry.details.get("noun") or ", ".join(others)
    return EntryRow(
        id=str(entry.id),
        what=spelled(f"{area} {verb}".strip()),
        who=entry.user.name if entry.user else ("An erased person" if entry.user_id else "AgentFlow"),
        about=", ".join(others),
        email=entry.user.email if entry.user else "",
        resource=str(name)[:100] if isinstance(name, str) else "",
        address=entry.address or "",
        user_agent=entry.user_agent or "",
        when=moment(entry.created_at),
        details=dumps(entry.details)[:4000] if entry.details else "",
        hash=entry.hash,
    )


def spelled(action: str) -> str:
    text = action.replace("_", " ").capitalize()
    return text.replace("Api key", "API key").replace("Sso", "SSO")
