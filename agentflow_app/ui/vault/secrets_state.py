"""Secrets and variables. What is typed as a secret's value goes to the service and into no state."""

import json
from dataclasses import dataclass
from typing import Any

import reflex as rx

from agentflow_app.core.errors import AppError
from agentflow_app.core.pagination import PageQuery
from agentflow_app.ui.figures import moment
from agentflow_app.ui.forms import problem, read_form, text_of
from agentflow_app.ui.session import PageState, acts, event, id_of, loads
from agentflow_app.ui.shell import Shell
from agentflow_app.vault.schemas import (
    SecretCreate,
    SecretOut,
    SecretUpdate,
    VariableCreate,
    VariableOut,
    VariableUpdate,
)
from agentflow_app.vault.service import SecretService, VariableService


@dataclass
class KeptRow:
    """`value` only of a variable, as it is typed."""

    id: str = ""
    name: str = ""
    description: str = ""
    value: str = ""
    used: str = ""
    updated: str = ""
    by: str = ""


class Secrets(PageState, rx.State):
    secrets: list[KeptRow] = []
    variables: list[KeptRow] = []
    more_secrets: bool = False
    more_variables: bool = False
    sees_secrets: bool = False
    edits_secrets: bool = False
    edits_variables: bool = False

    kind: str = ""
    target: KeptRow = KeptRow()
    is_open: bool = False
    deleting: bool = False
    error: str = ""
    _secret_cursor: str | None = None
    _variable_cursor: str | None = None

    @event
    @loads
    async def load(self) -> None:
        self.is_open, self.deleting, self.error = False, False, ""
        await self._read()

    async def _read(self) -> None:
        shell = await self.get_state(Shell)
        async with self._transaction() as (tx, actor):
            shell._show(actor)
            self.sees_secrets = actor.can("secrets:read")
            self.edits_secrets, self.edits_variables = (
                actor.can("secrets:write"),
                actor.can("variables:write"),
            )
            variables = await VariableService(tx, actor).list(_by_name(None))
            secrets = await SecretService(tx, actor).list(_by_name(None)) if self.sees_secrets else None
        self.variables = [_variable(each) for each in variables.data]
        self._variable_cursor, self.more_variables = variables.next_cursor, variables.next_cursor is not None
        self.secrets = [_secret(each) for each in secrets.data] if secrets else []
        self._secret_cursor = secrets.next_cursor if secrets else None
        self.more_secrets = self._secret_cursor is not None

    @event
    @acts
    async def load_more_secrets(self) -> None:
        async with self._transaction() as (tx, actor):
            page = await SecretService(tx, actor).list(_by_name(self._secret_cursor))
        self.secrets = [*self.secrets, *(_secret(each) for each in page.data)]
        self._secret_cursor, self.more_secrets = page.next_cursor, page.next_cursor is not None

    @event
    @acts
    async def load_more_variables(self) -> None:
        async with self._transaction() as (tx, actor):
            page = await VariableService(tx, actor).list(_by_name(self._variable_cursor))
        self.variables = [*self.variables, *(_variable(each) for each in page.data)]
        self._variable_cursor, self.more_variables = page.next_cursor, page.next_cursor is not None

    async def _choose(self, kind: str, item_id: str) -> None:
        self.kind = "variable" if kind == "variable" else "secret"
        await self._ensure("variables:read" if self.kind == "variable" else "secrets:read")
        rows = self.variables if self.kind == "variable" else self.secrets
        self.target = next((row for row in rows if row.id == item_id), KeptRow())
        self.error = ""

    @event
    @acts
    async def open_form(self, kind: str, item_id: str) -> None:
        """A new one where the id is empty."""
        await self._choose(str(kind), str(item_id))
        self.is_open = True

    @event
    async def set_open(self, is_open: bool) -> None:
        self.is_open, self.error = bool(is_open), ""

    @event
    @acts
    async def ask_delete(self, kind: str, item_id: str) -> None:
        await self._choose(str(kind), str(item_id))
        self.deleting = self.target.id != ""

    @event
    async def set_deleting(self, is_open: bool) -> None:
        self.deleting = bool(is_open)

    @event
    @acts
    async def save(self, form: dict[str, Any]) -> Any:
        try:
            if self.kind == "variable":
                await self._save_variable(form)
            else:
                await self._save_secret(form)
        except AppError as error:
            self.error = problem(error)
            return None
        await self._read()
        self.is_open, self.error = False, ""
        return rx.toast.success("Saved")

    async def _save_secret(self, form: dict[str, Any]) -> None:
        value = form.get("value") if isinstance(form, dict) else None
        given: dict[str, Any] = {"description": text_of(form, "description") or None}
        if isinstance(value, str) and value:
            given["value"] = value
        if self.target.id:
            update = read_form(SecretUpdate, given)
            async with self._transaction() as (tx, actor):
                await SecretService(tx, actor).update(id_of(self.target.id), update)
            return
        create = read_form(SecretCreate, {**given, "name": text_of(form, "name")})
        async with self._transaction() as (tx, actor):
            await SecretService(tx, actor).create(create)

    async def _save_variable(self, form: dict[str, Any]) -> None:
        given = {
            "description": text_of(form, "description") or None,
            "value": _value_of(text_of(form, "value")),
        }
        if self.target.id:
            update = read_form(VariableUpdate, given)
            async with self._transaction() as (tx, actor):
                await VariableService(tx, actor).update(id_of(self.target.id), update)
            return
        create = read_form(VariableCreate, {**given, "name": text_of(form, "name")})
        async with self._transaction() as (tx, actor):
            await VariableService(tx, actor).create(create)

    @event
    @acts
    async def delete(self) -> Any:
        self.deleting = False
        service = VariableService if self.kind == "variable" else SecretService
        async with self._transaction() as (tx, actor):
            await service(tx, actor).delete(id_of(self.target.id))
        await self._read()
        return rx.toast.success(f"Deleted {self.target.name}")


def _by_name(cursor: str | None) -> PageQuery:
    return PageQuery(limit=100, sort="name", order="asc", cursor=cursor)


def _value_of(text: str) -> Any:
    """JSON where it is JSON, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text_of_value(value: Any) -> str:
    """What `_value_of` makes the value of again."""
    if isinstance(value, str) and _value_of(value) == value and value == value.strip():
        return value
    return json.dumps(value, ensure_ascii=False)


def _secret(secret: SecretOut) -> KeptRow:
    return KeptRow(
        id=str(secret.id),
        name=secret.name,
        description=secret.description or "",
        used=moment(secret.last_used_at),
        updated=moment(secret.updated_at),
        by=secret.updated_by_name or "",
    )


def _variable(variable: VariableOut) -> KeptRow:
    return KeptRow(
        id=str(variable.id),
        name=variable.name,
        description=variable.description or "",
        value=_text_of_value(variable.value),
        updated=moment(variable.updated_at),
        by=variable.updated_by_name or "",
    )
