"""The organization's connections to identity providers. A client secret goes in and is never shown."""

from dataclasses import dataclass, field
from typing import Any

import reflex as rx

from agentflow_app.core.errors import AppError
from agentflow_app.core.pagination import PageQuery
from agentflow_app.sso.saml_metadata import split_certificates
from agentflow_app.sso.schemas import ConnectionCreate, ConnectionOut, ConnectionUpdate
from agentflow_app.sso.scim_tokens import ScimTokenService
from agentflow_app.sso.service import ConnectionService, redirect_uri, try_connection, verify_domains
from agentflow_app.ui.figures import moment
from agentflow_app.ui.forms import problem, read_form, text_of
from agentflow_app.ui.session import PageState, actor_of, acts, event, id_of, loads
from agentflow_app.ui.shell import Shell


@dataclass
class DomainRow:
    domain: str = ""
    verified: bool = False
    record_name: str = ""
    record_value: str = ""


@dataclass
class ConnectionRow:
    id: str = ""
    name: str = ""
    protocol: str = "oidc"
    issuer: str = ""
    client_id: str = ""
    sso_url: str = ""
    certificates: str = ""
    email_attribute: str = ""
    name_attribute: str = ""
    entity_id: str = ""
    acs_url: str = ""
    domains: list[DomainRow] = field(default_factory=list)
    domain_lines: str = ""
    default_role: str = "viewer"
    role_claim: str = ""
    mapping_lines: str = ""
    trust_email: bool = False
    enforced: bool = False
    active: bool = True
    unverified: bool = False


class SingleSignOn(PageState, rx.State):
    rows: list[ConnectionRow] = []
    redirect_uri: str = ""
    editable: bool = False
    open: bool = False
    deleting: bool = False
    error: str = ""
    target: ConnectionRow = ConnectionRow()
    protocol: str = "oidc"
    scim_url: str = ""
    scim_prefix: str = ""
    scim_used: str = ""
    scim_token: str = ""
    scim_asking: str = ""

    @event
    @loads
    async def load(self) -> None:
        self.open, self.deleting, self.error = False, False, ""
        self.scim_token, self.scim_asking = "", ""
        await self._read()

    async def _read(self) -> None:
        shell = await self.get_state(Shell)
        async with self._transaction() as (tx, actor):
            shell._show(actor)
            page = await ConnectionService(tx, actor).list(PageQuery(sort="name", order="asc", limit=100))
            scim = await ScimTokenService(tx, actor).get()
        self.scim_url, self.scim_prefix = scim.base_url, scim.prefix or ""
        self.scim_used = moment(scim.last_used_at)
        self.editable = actor.can("sso:write")
        self.redirect_uri = redirect_uri()
        self.rows = [_row(each) for each in page.data]

    @event
    @acts
    async def open_form(self, connection_id: str) -> None:
        """Of a new connection where the id is empty."""
        await self._ensure("sso:read")
        self.target = next((row for row in self.rows if row.id == connection_id), ConnectionRow())
        self.open, self.error, self.protocol = True, "", self.target.protocol

    @event
    async def set_protocol(self, protocol: str) -> None:
        self.protocol, self.error = ("saml" if protocol == "saml" else "oidc"), ""

    @event
    async def set_open(self, is_open: bool) -> None:
        self.open, self.error = bool(is_open), ""

    @event
    @acts
    async def save(self, form: dict[str, Any]) -> Any:
        texts = ("issuer", "client_id", "metadata", "sso_url", "email_attribute", "name_attribute")
        given: dict[str, Any] = {
            "name": text_of(form, "name"),
            "protocol": self.protocol,
            **{name: text_of(form, name) or None for name in texts},
            "certificates": split_certificates(text_of(form, "certificates")),
            "domains": text_of(form, "domains").replace(",", " ").split(),
            "default_role": text_of(form, "default_role"),
            "role_claim": text_of(form, "role_claim") or None,
            "role_mapping": _mapping(text_of(form, "role_mapping")),
            **{name: bool(text_of(form, name)) for name in ("trust_email", "enforced", "active")},
        }
        if secret := text_of(form, "client_secret"):
            given["client_secret"] = secret
        try:
            async with self._transaction() as (tx, actor):
                service = ConnectionService(tx, actor)
                if self.target.id:
                    await service.update(id_of(self.target.id), read_form(ConnectionUpdate, given))
                else:
                    await service.create(read_form(ConnectionCreate, given))
        except AppError as error:
            self.error = problem(error)
            return None
        self.open = False
        await self._read()
        return rx.toast.success(f"Saved {given['name']}")

    @event
    @acts
    async def test(self, connection_id: str) -> Any:
        found = await try_connection(await actor_of(self), id_of(connection_id))
        if found.ok:
            return rx.toast.success("The provider answers as it should")
        return rx.toast.error("The provider cannot be used yet", description=found.problem)

    @event
    @acts
    async def verify(self, connection_id: str) -> Any:
        made = await verify_domains(await actor_of(self), id_of(connection_id))
        await self._read()
        missing = [each.domain for each in made.domains if not each.verified]
        if missing:
            return rx.toast.error(
                f"No record found for {', '.join(missing)}",
                description="DNS can take a while to tell what was entered; try again later.",
            )
        return rx.toast.success("All domains are verified")

    @event
    @acts
    async def ask_delete(self, connection_id: str) -> None:
        await self._ensure("sso:read")
        found = next((row for row in self.rows if row.id == connection_id), None)
        if found is not None:
            self.target, self.deleting = found, True

    @event
    async def set_deleting(self, is_open: bool) -> None:
        self.deleting = bool(is_open)

    @event
    @acts
    async def delete(self) -> Any:
        self.deleting = False
        async with self._transaction() as (tx, actor):
            await ConnectionService(tx, actor).delete(id_of(self.target.id))
        await self._read()
        return rx.toast.success(f"Deleted {self.target.name}")

    @event
    async def ask_scim(self, what: str) -> None:
        self.scim_asking = str(what)

    @event
    async def close_scim(self, is_open: bool) -> None:
        self.scim_asking = self.scim_asking if is_open else ""

    @event
    async def close_token(self, is_open: bool) -> None:
        self.scim_token = self.scim_token if is_open else ""

    @event
    @acts
    async def make_token(self) -> None:
        """In place of the one before."""
        self.scim_asking, self.scim_token = "", ""
        async with self._transaction() as (tx, actor):
            made = await ScimTokenService(tx, actor).replace()
        await self._read()
        self.scim_token = made.token

    @event
    @acts
    async def revoke_token(self) -> Any:
        self.scim_asking = ""
        async with self._transaction() as (tx, actor):
            await ScimTokenService(tx, actor).revoke()
        await self._read()
        return rx.toast.success("The token no longer works")


def _mapping(text: str) -> dict[str, str]:
    """`value = role` on each line; what is no such line becomes a role that nobody knows, and is refused."""
    pairs = [line.rpartition("=") for line in text.splitlines() if line.strip()]
    return {value.strip() or line.strip(): line.strip() for value, _, line in pairs}


def _row(connection: ConnectionOut) -> ConnectionRow:
    return ConnectionRow(
        id=str(connection.id),
        name=connection.name,
        protocol=connection.protocol,
        issuer=connection.issuer or "",
        client_id=connection.client_id or "",
        sso_url=connection.sso_url or "",
        certificates="".join(connection.certificates),
        email_attribute=connection.email_attribute or "",
        name_attribute=connection.name_attribute or "",
        entity_id=connection.service_provider.entity_id if connection.service_provider else "",
        acs_url=connection.service_provider.acs_url if connection.service_provider else "",
        domains=[DomainRow(**each.model_dump()) for each in connection.domains],
        domain_lines="\n".join(each.domain for each in connection.domains),
        default_role=connection.default_role,
        role_claim=connection.role_claim or "",
        mapping_lines="\n".join(f"{value} = {role}" for value, role in connection.role_mapping.items()),
        trust_email=connection.trust_email,
        enforced=connection.enforced,
        active=connection.active,
        unverified=any(not each.verified for each in connection.domains),
    )
