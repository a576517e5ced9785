"""An organization's connections to its identity providers: made, listed, changed, tried, deleted."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from agentflow_app.audit.service import record
from agentflow_app.core.clock import utcnow
from agentflow_app.core.crypto import cell, seal, unseal
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import ValidationFailed
from agentflow_app.core.ids import new_id
from agentflow_app.core.pagination import Page, PageQuery, like, paginate
from agentflow_app.core.settings import settings
from agentflow_app.core.tenancy import Actor
from agentflow_app.sso import domains, saml
from agentflow_app.sso.errors import ConnectionNotFound, NameTaken, NotVerified, ProviderFault
from agentflow_app.sso.models import SsoConnection, SsoDomain, SsoIdentity
from agentflow_app.sso.provider import Client, examine
from agentflow_app.sso.schemas import (
    ConnectionCreate,
    ConnectionFields,
    ConnectionOut,
    ConnectionUpdate,
    ServiceProviderOut,
    TestOut,
)

_SORT = {"created_at": col(SsoConnection.created_at), "name": col(SsoConnection.name)}
_PLAIN = set(ConnectionFields.model_fields) - {"domains", "metadata"}


def redirect_uri() -> str:
    """Where the provider sends the browser back to; never what a request says about itself."""
    return f"{settings().base_url}/api/v1/auth/sso/callback"


def _place(connection_id: UUID) -> str:
    return cell("sso_connections", "client_secret", connection_id)


async def client_of(connection: SsoConnection) -> Client:
    """Of an OpenID Connect connection."""
    assert connection.issuer
    assert connection.client_id
    assert connection.client_secret
    secret = (await unseal(connection.client_secret, _place(connection.id))).decode()
    return Client(connection.issuer, connection.client_id, secret)


class ConnectionService:
    """Bound to one transaction and one actor."""

    def __init__(self, tx: Transaction, actor: Actor) -> None:
        self.tx = tx
        self.actor = actor

    async def list(self, query: PageQuery) -> Page[ConnectionOut]:
        self.actor.require("sso:read")
        statement = select(SsoConnection).where(col(SsoConnection.org_id) == self.actor.org_id)
        if query.search:
            statement = statement.where(col(SsoConnection.name).ilike(like(query.search)))
        page = await paginate(self.tx, statement, query, _SORT, col(SsoConnection.id), _same)
        held = await domains.of_connections(self.tx, [row.id for row in page.data])
        return Page(data=[_render(row, held[row.id]) for row in page.data], next_cursor=page.next_cursor)

    async def get(self, connection_id: UUID) -> ConnectionOut:
        self.actor.require("sso:read")
        return await self._shown(await self.load(connection_id))

    async def create(self, data: ConnectionCreate) -> ConnectionOut:
        """Raises NameTaken, or NotVerified where it is to be enforced: its domains cannot be verified yet."""
        self.actor.require("sso:write")
        if data.enforced:
            raise NotVerified
        row = SsoConnection(id=new_id(), org_id=self.actor.org_id, **data.settled())
        await _set_secret(row, data)
        self.tx.add(row)
        await self._flush(row)
        await domains.set_domains(self.tx, row, data.domains)
        self._record("created", row, after=_told(row, data.domains))
        await self.tx.flush()
        await self.tx.refresh(row)
        return await self._shown(row)

    async def update(self, connection_id: UUID, data: ConnectionUpdate) -> ConnectionOut:
        """Raises NameTaken, NotVerified, or ValidationFailed where a secret or a provider is missing."""
        self.actor.require("sso:write")
        row = await self.load(connection_id, lock=True)
        held = (await domains.of_connections(self.tx, [row.id]))[row.id]
        before = _told(row, [each.domain for each in held])
        if data.enforced and not any(each.verified_at and each.domain in data.domains for each in held):
            raise NotVerified
        wanted = data.settled()
        who = ("protocol", "issuer", "client_id")
        if any(getattr(row, name) != wanted[name] for name in who):
            # Another provider's subjects are other people.
            await self.tx.execute(delete(SsoIdentity).where(col(SsoIdentity.connection_id) == row.id))
        for name, value in wanted.items():
            setattr(row, name, value)
        await _set_secret(row, data)
        if row.protocol == "saml" and row.enforced and not row.sso_url:
            raise ValidationFailed(fields={"enforced": "can be set once the provider's metadata is entered"})
        row.updated_at = utcnow()
        await self._flush(row)
        await domains.set_domains(self.tx, row, data.domains)
        after = _told(row, data.domains)
        self._record(
            "updated",
            row,
            {"secret_replaced": data.protocol == "oidc" and data.client_secret is not None},
            before={name: value for name, value in before.items() if after[name] != value},
            after={name: value for name, value in after.items() if before[name] != value},
        )
        await self.tx.flush()
        return await self._shown(row)

    async def delete(self, connection_id: UUID) -> None:
        """Its people keep their accounts and memberships."""
        self.actor.require("sso:write")
        row = await self.load(connection_id, lock=True)
        self._record("deleted", row, {"name": row.name})
        await self.tx.delete(row)
        await self.tx.flush()

    async def load(self, connection_id: UUID, *, lock: bool = False) -> SsoConnection:
        """Raises ConnectionNotFound, also for another organization's."""
        query = select(SsoConnection).where(
            col(SsoConnection.id) == connection_id, col(SsoConnection.org_id) == self.actor.org_id
        )
        found = (await self.tx.execute(query.with_for_update() if lock else query)).scalar_one_or_none()
        if found is None:
            raise ConnectionNotFound
        return found

    async def _flush(self, row: SsoConnection) -> None:
        name = row.name
        try:
            await self.tx.flush()
        except IntegrityError as error:
            raise NameTaken(f"There is a connection named {name} already") from error

    async def _shown(self, row: SsoConnection) -> ConnectionOut:
        return _render(row, (await domains.of_connections(self.tx, [row.id]))[row.id])

    def _record(self, verb: str, row: SsoConnection, told: dict[str, Any] | None = None, **more: Any) -> None:
        action = f"sso_connection.{verb}"
        record(self.tx, self.actor, action, "sso_connection", row.id, told, **more)


async def try_connection(actor: Actor, connection_id: UUID) -> TestOut:
    """Asks the provider for what it tells about itself; no transaction is open meanwhile."""
    actor.require("sso:write")
    async with database().transaction(actor) as tx:
        row = await ConnectionService(tx, actor).load(connection_id)
    problem = None
    try:
        if row.protocol == "saml":
            saml.examine(row)
        else:
            await examine(await client_of(row))
    except ProviderFault as error:
        problem = error.reason
    async with database().transaction(actor) as tx:
        told = {"ok": problem is None}
        record(tx, actor, "sso_connection.tested", "sso_connection", row.id, told)
    return TestOut(ok=problem is None, problem=problem)


async def verify_domains(actor: Actor, connection_id: UUID) -> ConnectionOut:
    """Looks the unverified domains up in DNS. Raises DomainTaken."""
    actor.require("sso:write")
    async with database().transaction(actor) as tx:
        shown = await ConnectionService(tx, actor).get(connection_id)
    proved = [
        each.domain
        for each in shown.domains
        if not each.verified and each.record_value in await domains.published(each.domain)
    ]
    async with database().transaction(actor) as tx:
        service = ConnectionService(tx, actor)
        await service.load(connection_id, lock=True)
        for row in (await domains.of_connections(tx, [connection_id]))[connection_id]:
            if row.domain in proved and row.verified_at is None:
                await domains.accept(tx, actor, row, "dns")
        return await service.get(connection_id)


async def _set_secret(row: SsoConnection, data: ConnectionCreate | ConnectionUpdate) -> None:
    """The one that is given, else the one that is there; of SAML none. Raises ValidationFailed."""
    if row.protocol == "saml":
        row.client_secret = None
    elif data.client_secret is not None:
        row.client_secret = await seal(data.client_secret.get_secret_value().encode(), _place(row.id))
    elif row.client_secret is None:
        raise ValidationFailed(fields={"client_secret": "is needed"})


def _told(row: SsoConnection, held: list[str]) -> dict[str, Any]:
    return {**{name: getattr(row, name) for name in sorted(_PLAIN)}, "domains": sorted(set(held))}


def _render(row: SsoConnection, held: list[SsoDomain]) -> ConnectionOut:
    return ConnectionOut(
        **row.model_dump(include={*_PLAIN, "id", "created_at", "updated_at"}),
        domains=[domains.render(each) for each in held],
        redirect_uri=redirect_uri(),
        service_provider=_service_provider(row) if row.protocol == "saml" else None,
    )


def _service_provider(row: SsoConnection) -> ServiceProviderOut:
    ours = saml.entity_id(row.id)
    return ServiceProviderOut(entity_id=ours, acs_url=saml.acs_url(row.id), metadata_url=ours)


def _same(row: SsoConnection) -> SsoConnection:
    return row
