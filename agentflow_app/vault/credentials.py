"""Credentials: what a request shows to another system, and to which hosts it may be shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from agentflow_app.audit.service import record
from agentflow_app.core.clock import utcnow
from agentflow_app.core.crypto import cell, seal, unseal
from agentflow_app.core.errors import ValidationFailed
from agentflow_app.core.ids import new_id
from agentflow_app.core.pagination import Page, PageQuery
from agentflow_app.core.serialization import dumps, loads
from agentflow_app.vault.base import VaultUseCases
from agentflow_app.vault.models import Credential
from agentflow_app.vault.schemas import (
    CredentialCreate,
    CredentialFields,
    CredentialOut,
    CredentialUpdate,
)
from engine.egress.origins import origins


@dataclass(frozen=True, slots=True)
class TypeFields:
    """Which fields a type takes. `secret` ones are sealed, the others may be read."""

    secret: tuple[str, ...]
    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


TYPES: Mapping[str, TypeFields] = {
    "api_key": TypeFields(secret=("value",), optional=("header", "query")),
    "bearer": TypeFields(secret=("value",)),
    "basic": TypeFields(secret=("password",), needed=("username",)),
    "header": TypeFields(secret=("value",), needed=("header",)),
    "oauth2": TypeFields(
        secret=("client_secret", "refresh_token"),
        needed=("token_url", "client_id", "grant"),
        optional=("client_auth", "scopes"),
    ),
    "smtp": TypeFields(
        secret=("password",), needed=("host", "username"), optional=("port", "security", "sender")
    ),
}
_PUBLIC = (
    *("header", "query", "username", "grant", "token_url", "client_id", "client_auth", "scopes"),
    *("host", "port", "security", "sender"),
)
_SECRET = ("value", "password", "client_secret", "refresh_token")


class CredentialService(VaultUseCases[Credential]):
    table = Credential
    noun = "credential"

    async def list(self, query: PageQuery) -> Page[CredentialOut]:
        self.actor.require("credentials:read")
        return await self.shown_page(query, CredentialOut)

    async def get(self, credential_id: UUID) -> CredentialOut:
        self.actor.require("credentials:read")
        return await self.shown(await self.load(credential_id), CredentialOut)

    async def create(self, data: CredentialCreate) -> CredentialOut:
        """Raises NameTaken, or ValidationFailed where the type needs other fields."""
        self.actor.require("credentials:write")
        settings, parts = _public(data), _parts(data)
        if data.type == "oauth2":
            settings.setdefault("grant", "client_credentials")
        _check(data.type, settings, parts)
        _check_mail(data.type, settings, data.allowed_hosts)
        credential_id = new_id()
        credential = Credential(
            id=credential_id,
            org_id=self.actor.org_id,
            name=data.name,
            description=data.description,
            type=data.type,
            allowed_hosts=list(dict.fromkeys(data.allowed_hosts)),
            settings=settings,
            parts=await seal_parts(credential_id, parts),
            updated_by=self.actor.user_id,
        )
        self.tx.add(credential)
        await self.flush_named(data.name)
        record(
            self.tx,
            self.actor,
            "credential.created",
            "credential",
            credential_id,
            {"name": data.name, "type": data.type},
            after={"allowed_hosts": credential.allowed_hosts, "settings": settings},
        )
        await self.tx.refresh(credential)
        return await self.shown(credential, CredentialOut)

    async def update(self, credential_id: UUID, data: CredentialUpdate) -> CredentialOut:
        """What is left out stays. Sending it to more places needs its secret again: nobody can read it out.

        Raises NameTaken or ValidationFailed.
        """
        self.actor.require("credentials:write")
        credential = await self.load(credential_id, lock=True)
        before = _told(credential)
        given = _parts(data)
        kept = {name: value for name, value in credential.settings.items() if name not in _replaced(data)}
        settings = kept | _public(data)
        parts = await open_parts(credential) | given
        _check(credential.type, settings, parts)
        hosts = list(dict.fromkeys(data.allowed_hosts)) if data.allowed_hosts else credential.allowed_hosts
        _check_mail(credential.type, settings, hosts)
        _check_widening(credential, hosts, settings, given)
        if data.name is not None:
            credential.name = data.name
        if "description" in data.model_fields_set:
            credential.description = data.description
        credential.allowed_hosts, credential.settings = hosts, settings
        if given or settings != before["settings"]:
            credential.parts = await seal_parts(credential.id, parts)
            credential.token = credential.token_expires_at = credential.refreshing_until = None
            credential.revision += 1
        credential.updated_at, credential.updated_by = utcnow(), self.actor.user_id
        await self.flush_named(credential.name)
        after = _told(credential)
        record(
            self.tx,
            self.actor,
            "credential.updated",
            "credential",
            credential.id,
            {"name": credential.name, "secret_parts": sorted(given)},
            before={name: value for name, value in before.items() if after[name] != value},
            after={name: value for name, value in after.items() if before[name] != value},
        )
        await self.tx.flush()
        return await self.shown(credential, CredentialOut)

    async def delete(self, credential_id: UUID) -> None:
        self.actor.require("credentials:write")
        credential = await self.load(credential_id, lock=True)
        told = {"name": credential.name}
        record(self.tx, self.actor, "credential.deleted", "credential", credential.id, told)
        await self.remove(credential)


async def open_parts(credential: Credential) -> dict[str, str]:
    """Its secret parts. Whoever asks audits it, or uses them only to write them again."""
    plain = await unseal(credential.parts, cell("credentials", "parts", credential.id))
    parts: dict[str, str] = loads(plain)
    return parts


async def seal_parts(credential_id: UUID, parts: Mapping[str, str]) -> bytes:
    return await seal(dumps(dict(parts)).encode(), cell("credentials", "parts", credential_id))


def _public(data: CredentialFields) -> dict[str, Any]:
    found = {name: getattr(data, name) for name in _PUBLIC}
    if found["token_url"] is not None:
        found["token_url"] = str(found["token_url"])
    return {name: value for name, value in found.items() if value is not None}


def _parts(data: CredentialFields) -> dict[str, str]:
    found: dict[str, SecretStr | None] = {name: getattr(data, name) for name in _SECRET}
    return {name: value.get_secret_value() for name, value in found.items() if value is not None}


def _replaced(data: CredentialFields) -> set[str]:
    """What of the settings goes: what is named anew, and the other place of an API key."""
    gone = set(data.model_fields_set)
    return gone | {"header", "query"} if gone & {"header", "query"} else gone


def _check(kind: str, settings: Mapping[str, Any], parts: Mapping[str, str]) -> None:
    """Raises ValidationFailed, naming each field that is missing or that the type does not have."""
    fields = TYPES[kind]
    needed = [*fields.needed, *(fields.secret if kind != "oauth2" else ("client_secret",))]
    if settings.get("grant") == "refresh_token":
        needed.append("refresh_token")
    given = {**settings, **parts}
    known = {*fields.secret, *fields.needed, *fields.optional}
    problems = {name: f"is needed for the type {kind}" for name in needed if name not in given}
    problems |= {name: f"is no field of the type {kind}" for name in given if name not in known}
    if kind == "api_key" and not problems and ("header" in given) == ("query" in given):
        problems["header"] = "name either a header or a query parameter that carries the key"
    if settings.get("grant") == "client_credentials" and "refresh_token" in parts:
        problems["refresh_token"] = "belongs to the grant refresh_token"  # noqa: S105
    if problems:
        raise ValidationFailed(fields=problems)


def _check_mail(kind: str, settings: Mapping[str, Any], hosts: Sequence[str]) -> None:
    """Raises ValidationFailed unless it may go to the mail server, and letters have a sender."""
    if kind != "smtp":
        return
    if not any(each.covers(settings["host"]) for each in origins(hosts)):
        raise ValidationFailed(fields={"allowed_hosts": f"have to name the mail server, {settings['host']}"})
    if "sender" not in settings and "@" not in settings["username"]:
        raise ValidationFailed(fields={"sender": "is needed: the user is no address that letters come from"})


def _check_widening(
    credential: Credential, hosts: list[str], settings: Mapping[str, Any], given: Mapping[str, str]
) -> None:
    main = next(name for name in TYPES[credential.type].secret)
    if main in given:
        return
    again = "enter it again: what it is sent to has changed"
    added = set(origins(hosts)) - set(origins(credential.allowed_hosts))
    places = ("token_url", "host", "port", "security")
    if added or any(settings.get(name) != credential.settings.get(name) for name in places):
        raise ValidationFailed(fields={main: again})


def _told(credential: Credential) -> dict[str, Any]:
    return {
        "name": credential.name,
        "description": credential.description,
        "allowed_hosts": list(credential.allowed_hosts),
        "settings": dict(credential.settings),
    }
