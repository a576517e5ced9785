"""API keys. A secret passes through once, and is gone when its dialog closes."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import reflex as rx

from agentflow_app.accounts.api_keys import ApiKeyService
from agentflow_app.accounts.schemas import ApiKeyCreate, ApiKeyOut, ApiKeyRotate
from agentflow_app.core.clock import utcnow
from agentflow_app.core.errors import AppError
from agentflow_app.core.pagination import PageQuery
from agentflow_app.core.rights import MEANING
from agentflow_app.core.tenancy import grantable
from agentflow_app.ui.figures import moment
from agentflow_app.ui.forms import problem, read_form, text_of
from agentflow_app.ui.session import PageState, acts, event, id_of, loads
from agentflow_app.ui.shell import Shell

GRACES = {"0": 0, "3600": 3600, "86400": 86_400}


@dataclass
class KeyRow:
    id: str = ""
    name: str = ""
    prefix: str = ""
    scopes: str = ""
    status: str = ""
    by: str = ""
    is_own: bool = False
    last_used: str = ""
    expires: str = ""


@dataclass
class ScopeRow:
    name: str = ""
    meaning: str = ""


class ApiKeys(PageState, rx.State):
    rows: list[KeyRow] = []
    more: bool = False
    editable: bool = False
    scopes: list[ScopeRow] = []

    creating: bool = False
    error: str = ""
    secret: str = ""
    target: KeyRow = KeyRow()
    asking: str = ""
    _cursor: str | None = None

    @event
    @loads
    async def load(self) -> None:
        self.creating, self.secret, self.asking = False, "", ""
        await self._read()

    async def _read(self) -> None:
        shell = await self.get_state(Shell)
        async with self._transaction() as (tx, actor):
            shell._show(actor)
            page = await ApiKeyService(tx, actor).list(PageQuery(limit=50))
        self.editable = actor.can("api_keys:write")
        allowed = grantable(actor.role)
        self.scopes = [ScopeRow(scope, meaning) for scope, meaning in MEANING.items() if scope in allowed]
        self.rows = [_row(key) for key in page.data]
        self._cursor, self.more = page.next_cursor, page.next_cursor is not None

    @event
    @acts
    async def load_more(self) -> None:
        async with self._transaction() as (tx, actor):
            page = await ApiKeyService(tx, actor).list(PageQuery(limit=50, cursor=self._cursor))
        self.rows = [*self.rows, *(_row(key) for key in page.data)]
        self._cursor, self.more = page.next_cursor, page.next_cursor is not None

    @event
    async def set_creating(self, is_open: bool) -> None:
        self.creating, self.error, self.secret = bool(is_open), "", ""

    @event
    @acts
    async def create_key(self, form: dict[str, Any]) -> Any:
        days = text_of(form, "days")
        given = {
            "name": text_of(form, "name"),
            "scopes": [scope for scope in MEANING if text_of(form, scope)],
            "expires_at": utcnow() + timedelta(days=int(days)) if days in ("30", "90", "365") else None,
        }
        if not given["scopes"]:
            self.error = "Choose what the key may do"
            return None
        try:
            data = read_form(ApiKeyCreate, given)
            async with self._transaction() as (tx, actor):
                made = await ApiKeyService(tx, actor).create(data)
        except AppError as error:
            self.error = problem(error)
            return None
        await self._read()
        self.error, self.secret = "", made.key
        return None

    @event
    @acts
    async def ask(self, what: str, key_id: str) -> None:
        await self._ensure("api_keys:read")
        found = next((row for row in self.rows if row.id == key_id), None)
        if found is not None and what in ("rotate", "revoke"):
            self.target, self.asking, self.secret = found, what, ""

    @event
    async def set_asking(self, is_open: bool) -> None:
        self.asking = self.asking if is_open else ""
        self.secret = ""

    @event
    @acts
    async def rotate(self, form: dict[str, Any]) -> Any:
        data = ApiKeyRotate(grace_seconds=GRACES.get(text_of(form, "grace"), 0))
        async with self._transaction() as (tx, actor):
            made = await ApiKeyService(tx, actor).rotate(id_of(self.target.id), data)
        await self._read()
        self.asking, self.secret, self.creating, self.error = "", made.key, True, ""

    @event
    @acts
    async def revoke(self) -> Any:
        self.asking = ""
        async with self._transaction() as (tx, actor):
            await ApiKeyService(tx, actor).revoke(id_of(self.target.id))
        await self._read()
        return rx.toast.success(f"{self.target.name} no longer works")


def _row(key: ApiKeyOut) -> KeyRow:
    return KeyRow(
        id=str(key.id),
        name=key.name,
        prefix=key.prefix,
        scopes=", ".join(key.scopes),
        status=key.status,
        by=key.created_by.name if key.created_by else "",
        is_own=key.is_own,
        last_used=moment(key.last_used_at),
        expires=moment(key.expires_at),
    )
