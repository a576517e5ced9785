"""Credentials, and the hosts that runs may reach. Secret parts go to the service and into no state."""

from dataclasses import dataclass
from typing import Any

import reflex as rx

from agentflow_app.core.errors import AppError
from agentflow_app.core.pagination import PageQuery
from agentflow_app.organizations.schemas import OrganizationUpdate
from agentflow_app.organizations.service import OrganizationService
from agentflow_app.ui.figures import moment
from agentflow_app.ui.forms import problem, read_form, text_of
from agentflow_app.ui.session import PageState, actor_of, acts, event, id_of, loads
from agentflow_app.ui.shell import Shell
from agentflow_app.vault.credentials import TYPES, CredentialService
from agentflow_app.vault.schemas import (
    CredentialCreate,
    CredentialOut,
    CredentialTrial,
    CredentialUpdate,
    TrialOut,
)
from agentflow_app.vault.trials import try_credential

TYPE_LABELS = {
    "bearer": "Bearer token",
    "api_key": "API key",
    "basic": "User and password",
    "header": "Other header",
    "oauth2": "OAuth 2",
    "smtp": "Mail server",
}
_PLAIN = (
    *("description", "header", "query", "username", "grant", "token_url", "client_id", "client_auth"),
    *("host", "port", "security", "sender"),
)
_SECRET = ("value", "password", "client_secret", "refresh_token")


@dataclass
class CredentialRow:
    """What may be read of it; `place` is the header or query parameter of an API key."""

    id: str = ""
    name: str = ""
    description: str = ""
    type: str = ""
    type_label: str = ""
    hosts: str = ""
    in_query: bool = False
    place: str = ""
    username: str = ""
    grant: str = ""
    token_url: str = ""
    client_id: str = ""
    client_auth: str = ""
    scopes: str = ""
    host: str = ""
    port: str = ""
    security: str = ""
    sender: str = ""
    used: str = ""
    updated: str = ""


class Credentials(PageState, rx.State):
    rows: list[CredentialRow] = []
    more: bool = False
    editable: bool = False
    hosts: str = ""
    hosts_editable: bool = False
    hosts_error: str = ""

    target: CredentialRow = CredentialRow()
    type: str = "bearer"
    grant: str = "client_credentials"
    is_open: bool = False
    deleting: bool = False
    testing: bool = False
    trial: str = ""
    trial_ok: bool = False
    error: str = ""
    _cursor: str | None = None

    @event
    @loads
    async def load(self) -> None:
        self.is_open, self.deleting, self.error, self.hosts_error = False, False, "", ""
        self.testing, self.trial = False, ""
        await self._read()

    async def _read(self) -> None:
        shell = await self.get_state(Shell)
        async with self._transaction() as (tx, actor):
            shell._show(actor)
            page = await CredentialService(tx, actor).list(_by_name(None))
            organization = await OrganizationService(tx, actor).get()
            self.editable, self.hosts_editable = actor.can("credentials:write"), actor.can("org:write")
        self.rows = [_row(each) for each in page.data]
        self._cursor, self.more = page.next_cursor, page.next_cursor is not None
        self.hosts = "\n".join(organization.settings.egress_allowed_hosts)

    @event
    @acts
    async def load_more(self) -> None:
        async with self._transaction() as (tx, actor):
            page = await CredentialService(tx, actor).list(_by_name(self._cursor))
        self.rows = [*self.rows, *(_row(each) for each in page.data)]
        self._cursor, self.more = page.next_cursor, page.next_cursor is not None

    async def _choose(self, credential_id: str) -> None:
        await self._ensure("credentials:read")
        self.target = next((row for row in self.rows if row.id == credential_id), CredentialRow())
        self.type, self.grant = self.target.type or "bearer", self.target.grant or "client_credentials"
        self.error = ""

    @event
    @acts
    async def open_form(self, credential_id: str) -> None:
        """A new one where the id is empty."""
        await self._choose(str(credential_id))
        self.is_open = True

    @event
    async def set_open(self, is_open: bool) -> None:
        self.is_open, self.error = bool(is_open), ""

    @event
    async def set_type(self, kind: str) -> None:
        self.type, self.error = (kind if kind in TYPES else "bearer"), ""

    @event
    async def set_grant(self, grant: str) -> None:
        self.grant = "refresh_token" if grant == "refresh_token" else "client_credentials"

    @event
    @acts
    async def ask_delete(self, credential_id: str) -> None:
        await self._choose(str(credential_id))
        self.deleting = self.target.id != ""

    @event
    async def set_deleting(self, is_open: bool) -> None:
        self.deleting = bool(is_open)

    @event
    @acts
    async def open_test(self, credential_id: str) -> None:
        await self._choose(str(credential_id))
        self.testing, self.trial = self.target.id != "", ""

    @event
    async def set_testing(self, is_open: bool) -> None:
        self.testing, self.trial, self.error = bool(is_open), "", ""

    @event
    @acts
    async def try_it(self, form: dict[str, Any]) -> None:
        """Sends one request with it."""
        actor = await actor_of(self)
        self.trial, self.error = "", ""
        try:
            data = read_form(CredentialTrial, {"url": text_of(form, "url") or None})
            found = await try_credential(actor, id_of(self.target.id), data)
        except AppError as error:
            self.error = problem(error)
            return
        self.trial_ok, self.trial = found.ok, _spoken(found)
        await self._read()

    @event
    @acts
    async def save(self, form: dict[str, Any]) -> Any:
        given: dict[str, Any] = {name: text_of(form, name) or None for name in _PLAIN}
        given |= {name: text_of(form, name) for name in _SECRET if text_of(form, name)}
        given |= {"name": text_of(form, "name"), "allowed_hosts": _lines(text_of(form, "hosts"))}
        if self.type == "api_key":
            place = "query" if text_of(form, "carrier") == "query" else "header"
            given |= {"header": None, "query": None, place: text_of(form, "place") or None}
        if self.type == "oauth2":
            given["scopes"] = text_of(form, "scopes").split() or None
        if self.type == "smtp":
            given["allowed_hosts"] = [text_of(form, "host").strip()]
        given = {name: value for name, value in given.items() if value is not None or name == "description"}
        try:
            if self.target.id:
                update = read_form(CredentialUpdate, given)
                async with self._transaction() as (tx, actor):
                    await CredentialService(tx, actor).update(id_of(self.target.id), update)
            else:
                create = read_form(CredentialCreate, {**given, "type": self.type})
                async with self._transaction() as (tx, actor):
                    await CredentialService(tx, actor).create(create)
        except AppError as error:
            self.error = problem(error)
            return None
        await self._read()
        self.is_open, self.error = False, ""
        return rx.toast.success("Saved")

    @event
    @acts
    async def delete(self) -> Any:
        self.deleting = False
        async with self._transaction() as (tx, actor):
            await CredentialService(tx, actor).delete(id_of(self.target.id))
        await self._read()
        return rx.toast.success(f"Deleted {self.target.name}")

    @event
    @acts
    async def save_hosts(self, form: dict[str, Any]) -> Any:
        given = {"settings": {"egress_allowed_hosts": _lines(text_of(form, "hosts"))}}
        try:
            data = read_form(OrganizationUpdate, given)
            async with self._transaction() as (tx, actor):
                saved = await OrganizationService(tx, actor).update(data)
        except AppError as error:
            self.hosts_error = problem(error).replace("Settings:", "Hosts:", 1)
            return None
        self.hosts, self.hosts_error = "\n".join(saved.settings.egress_allowed_hosts), ""
        return rx.toast.success("Saved")


def _spoken(found: TrialOut) -> str:
    if found.status is None:
        return f"{found.url}: {found.problem}"
    meaning = {401: " (it was not accepted)", 403: " (it may not do this)", 404: " (nothing is there)"}
    return f"{found.url} answered {found.status}{meaning.get(found.status, '')} in {found.duration_ms} ms"


def _by_name(cursor: str | None) -> PageQuery:
    return PageQuery(limit=100, sort="name", order="asc", cursor=cursor)


def _lines(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _row(credential: CredentialOut) -> CredentialRow:
    settings = {name: value for name, value in credential.settings.items() if isinstance(value, str)}
    scopes = credential.settings.get("scopes")
    return CredentialRow(
        id=str(credential.id),
        name=credential.name,
        description=credential.description or "",
        type=credential.type,
        type_label=TYPE_LABELS[credential.type],
        hosts="\n".join(credential.allowed_hosts),
        in_query="query" in settings,
        place=settings.get("query") or settings.get("header") or "",
        username=settings.get("username", ""),
        grant=settings.get("grant", ""),
        token_url=settings.get("token_url", ""),
        client_id=settings.get("client_id", ""),
        client_auth=settings.get("client_auth", "header"),
        scopes=" ".join(map(str, scopes)) if isinstance(scopes, list) else "",
        host=settings.get("host", ""),
        port=str(credential.settings.get("port") or ""),
        security=settings.get("security", "starttls"),
        sender=settings.get("sender", ""),
        used=moment(credential.last_used_at),
        updated=moment(credential.updated_at),
    )
