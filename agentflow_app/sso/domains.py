"""Which mail domains are an organization's: proved by a TXT record in DNS, or by the operator's word."""

import secrets
from collections.abc import Collection
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from agentflow_app.audit.service import record
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import Conflict, NotFound
from agentflow_app.core.tenancy import Actor
from agentflow_app.sso.models import SsoConnection, SsoDomain
from agentflow_app.sso.schemas import DomainOut

DNS_SECONDS = 5.0
PREFIX = "agentflow-verification="


class DomainTaken(Conflict):
    code = "SSO_DOMAIN_TAKEN"

    def __init__(self, domain: str) -> None:
        super().__init__(f"{domain} is verified for another connection")


def record_name(domain: str) -> str:
    return f"_agentflow.{domain}"


def render(row: SsoDomain) -> DomainOut:
    return DomainOut(
        domain=row.domain,
        verified=row.verified_at is not None,
        record_name=record_name(row.domain),
        record_value=PREFIX + row.token,
    )


async def of_connections(tx: Transaction, ids: Collection[UUID]) -> dict[UUID, list[SsoDomain]]:
    found: dict[UUID, list[SsoDomain]] = {each: [] for each in ids}
    query = select(SsoDomain).where(col(SsoDomain.connection_id).in_(ids)).order_by(col(SsoDomain.domain))
    for row in (await tx.execute(query)).scalars():
        found[row.connection_id].append(row)
    return found


async def set_domains(tx: Transaction, connection: SsoConnection, wanted: Collection[str]) -> None:
    """What stays keeps its verification."""
    held = (await of_connections(tx, [connection.id]))[connection.id]
    for row in held:
        if row.domain not in wanted:
            await tx.delete(row)
    for domain in sorted(set(wanted) - {row.domain for row in held}):
        tx.add(
            SsoDomain(
                org_id=connection.org_id,
                connection_id=connection.id,
                domain=domain,
                token=secrets.token_hex(16),
            )
        )
    await tx.flush()


async def published(domain: str) -> set[str]:
    """The TXT records under the domain's name; empty where DNS has none or does not answer."""
    from dns import asyncresolver
    from dns.exception import DNSException

    try:
        answer = await asyncresolver.resolve(record_name(domain), "TXT", lifetime=DNS_SECONDS)
    except (DNSException, OSError):
        return set()
    return {b"".join(each.strings).decode(errors="replace").strip() for each in answer}


async def accept(tx: Transaction, actor: Actor, row: SsoDomain, how: str) -> None:
    """Raises DomainTaken."""
    domain = row.domain
    try:
        async with tx.begin_nested():
            row.verified_at = utcnow()
            await tx.flush()
    except IntegrityError as error:
        raise DomainTaken(domain) from error
    told = {"domain": domain, "by": how}
    record(tx, actor, "sso_connection.domain_verified", "sso_connection", row.connection_id, told)
    await tx.flush()


async def vouch(domain: str, slug: str = "") -> str:
    """The operator's word for a domain that a connection asks for; `slug`: the organization's, if several do.

    Returns the connection's name. Raises NotFound, Conflict or DomainTaken.
    """
    from agentflow_app.organizations.service import id_of_slug

    query = select(SsoDomain, SsoConnection).join(
        SsoConnection, col(SsoConnection.id) == col(SsoDomain.connection_id)
    )
    query = query.where(col(SsoDomain.domain) == domain.strip().lower())
    async with database().system() as tx:
        if slug:
            query = query.where(col(SsoDomain.org_id) == await id_of_slug(tx, slug))
        rows = (await tx.execute(query)).all()
        if not rows:
            raise NotFound(f"No connection asks for {domain}")
        if len(rows) > 1:
            raise Conflict(f"Several connections ask for {domain}: name the organization by its slug")
        row, connection = rows[0]
        if row.verified_at is None:
            await accept(tx, Actor.trigger(row.org_id), row, "operator")
        return connection.name


async def owner_of(tx: Transaction, domain: str) -> SsoConnection | None:
    """The connection in use that the domain is verified for. On the system role."""
    if "\x00" in domain:  # which the database takes in no text
        return None
    query = (
        select(SsoConnection)
        .join(SsoDomain, col(SsoDomain.connection_id) == col(SsoConnection.id))
        .where(
            col(SsoDomain.domain) == domain,
            col(SsoDomain.verified_at).is_not(None),
            col(SsoConnection.active),
        )
    )
    return (await tx.execute(query)).scalar_one_or_none()


async def roles_by_domain(tx: Transaction, org_id: UUID) -> dict[str, str]:
    """The organization's verified domains of connections in use, and what new members become there."""
    query = (
        select(col(SsoDomain.domain), col(SsoConnection.default_role))
        .join(SsoConnection, col(SsoConnection.id) == col(SsoDomain.connection_id))
        .where(
            col(SsoDomain.org_id) == org_id,
            col(SsoDomain.verified_at).is_not(None),
            col(SsoConnection.active),
        )
    )
    return {row[0]: row[1] for row in await tx.execute(query)}


async def answers_for(tx: Transaction, connection_id: UUID, domain: str) -> bool:
    query = select(func.count()).where(
        col(SsoDomain.connection_id) == connection_id,
        col(SsoDomain.domain) == domain,
        col(SsoDomain.verified_at).is_not(None),
    )
    return (await tx.execute(query)).scalar_one() > 0


def domain_of(email: str) -> str:
    return email.strip().lower().rpartition("@")[2]
