"""Who sends a request, told from its headers alone, before its body is read."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select, true, update
from sqlmodel import col

from agentflow_app.accounts.models import ApiKey, EndedSession, User
from agentflow_app.accounts.sessions import actor_of, lacks_single_sign_on
from agentflow_app.accounts.standing import may_act
from agentflow_app.accounts.tokens import AccessClaims, digest, read_access_token
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Prepared, Transaction, database
from agentflow_app.core.errors import Unauthenticated
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.core.tables import timestamp
from agentflow_app.core.tenancy import Actor, role_of
from agentflow_app.organizations.models import Membership, Organization
from agentflow_app.organizations.settings import read_settings
from agentflow_app.sso.enforcement import demands

KEY_PREFIX = "af_"
USE_NOTED_EVERY = timedelta(minutes=1)


def credential(headers: Mapping[str, str]) -> str | None:
    """The bearer token or API key that the headers carry."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return headers.get("x-api-key") or None


async def authenticate(secret: str | None) -> Actor:
    """The actor behind a JWT or an API key. Raises Unauthenticated, always in the same words."""
    if not secret:
        raise Unauthenticated
    actor = await (_by_key(secret) if secret.startswith(KEY_PREFIX) else _by_token(secret))
    if actor is None:
        raise Unauthenticated
    return actor


@asynccontextmanager
async def entered(secret: str | None) -> AsyncIterator[tuple[Actor, Transaction]]:
    """The actor and their transaction in one go: cheaper than one after the other, where no body is awaited.

    Raises Unauthenticated or TooManyRequests.
    """
    claims = read_access_token(secret) if secret and not secret.startswith(KEY_PREFIX) else None
    if claims is None:
        actor = await authenticate(secret)
        await rate_limits().organization(actor.org_id, actor.key_id)
        async with database().transaction(actor) as tx:
            yield actor, tx
        return
    await rate_limits().organization(claims.org_id, None)
    async with _as_member(claims) as (member, tx):
        if member is None:
            raise Unauthenticated
        yield member, tx


async def _by_token(token: str) -> Actor | None:
    claims = read_access_token(token)
    return await actor_behind(claims) if claims else None


async def actor_behind(claims: AccessClaims) -> Actor | None:
    """The person that a token was given to, as things stand now; None for who may no longer act."""
    async with _as_member(claims) as (member, _):
        return member


_MEMBER = Prepared(
    select(
        col(User.email),
        col(User.name),
        col(User.second_factor_at),
        col(Organization.name).label("org_name"),
        col(Organization.settings),
        col(Membership.role),
        demands(bindparam("org"), col(User.email)).label("demands_sso"),
    )
    .select_from(Membership)
    .join(User, col(User.id) == col(Membership.user_id))
    .join(Organization, col(Organization.id) == col(Membership.org_id))
    .where(
        col(Membership.user_id) == bindparam("user"),
        col(Membership.org_id) == bindparam("org"),
        *may_act(),
        or_(
            col(User.tokens_valid_after).is_(None),
            col(User.tokens_valid_after) < bindparam("issued_at", type_=timestamp),
        ),
        ~select(col(EndedSession.id)).where(col(EndedSession.id) == bindparam("session")).exists(),
    )
)


@asynccontextmanager
async def _as_member(claims: AccessClaims) -> AsyncIterator[tuple[Actor | None, Transaction]]:
    entered_as = database().entered(
        claims.org_id,
        claims.user_id,
        _MEMBER,
        user=claims.user_id,
        org=claims.org_id,
        issued_at=claims.issued_at,
        session=claims.session_id,
    )
    async with entered_as as (tx, row):
        yield _member(row, claims) if row else None, tx


def _member(row: dict[str, Any], claims: AccessClaims) -> Actor:
    demanded = read_settings(row["settings"]).require_second_factor
    return Actor(
        user_id=claims.user_id,
        org_id=claims.org_id,
        role=role_of(row["role"]),
        email=row["email"],
        name=row["name"],
        org_name=row["org_name"],
        session_id=claims.session_id,
        sso_org_id=claims.sso_org_id,
        lacks_single_sign_on=lacks_single_sign_on(
            row["demands_sso"], row["role"], claims.org_id, claims.sso_org_id
        ),
        lacks_second_factor=demanded and row["second_factor_at"] is None,
    )


def _not_ended(session_id: UUID | None) -> ColumnElement[bool]:
    if session_id is None:
        return true()
    return ~select(col(EndedSession.id)).where(col(EndedSession.id) == session_id).exists()


async def ensure_still_in(actor: Actor) -> None:
    """For what goes on once let in, as sockets do. Raises Unauthenticated where it would not be now."""
    if actor.user_id is None:
        return
    query = (
        select(col(Membership.id))
        .join(User, col(User.id) == col(Membership.user_id))
        .join(Organization, col(Organization.id) == col(Membership.org_id))
        .where(
            col(Membership.user_id) == actor.user_id,
            col(Membership.org_id) == actor.org_id,
            *may_act(),
            _not_ended(actor.session_id),
        )
    )
    if actor.key_id is not None:
        usable = select(col(ApiKey.id)).where(
            col(ApiKey.id) == actor.key_id,
            col(ApiKey.is_active),
            or_(col(ApiKey.expires_at).is_(None), col(ApiKey.expires_at) > func.now()),
        )
        query = query.where(usable.exists())
    elif actor.sso_org_id != actor.org_id:
        shut = demands(col(Organization.id), col(User.email))
        query = query.where(or_(col(Membership.role) == "owner", ~shut))
    async with database().transaction(actor) as tx:
        if (await tx.execute(query)).scalar_one_or_none() is None:
            raise Unauthenticated


async def _by_key(secret: str) -> Actor | None:
    hashed = digest(secret)
    async with database().system() as tx:
        row = (
            await tx.execute(
                select(ApiKey, User, Organization, col(Membership.role))
                .select_from(ApiKey)
                .join(User, col(User.id) == col(ApiKey.created_by))
                .join(Organization, col(Organization.id) == col(ApiKey.org_id))
                .join(
                    Membership,
                    (col(Membership.user_id) == col(ApiKey.created_by))
                    & (col(Membership.org_id) == col(ApiKey.org_id)),
                )
                .where(
                    or_(
                        col(ApiKey.key_hash) == hashed,
                        and_(col(ApiKey.previous_hash) == hashed, col(ApiKey.previous_until) > func.now()),
                    ),
                    col(ApiKey.is_active),
                    or_(col(ApiKey.expires_at).is_(None), col(ApiKey.expires_at) > func.now()),
                    *may_act(),
                )
            )
        ).one_or_none()
        if row is None:
            return None
        key, user, org, role = row
        if key.last_used_at is None or utcnow() - key.last_used_at > USE_NOTED_EVERY:
            await tx.execute(update(ApiKey).where(col(ApiKey.id) == key.id).values(last_used_at=func.now()))
    person = actor_of(user, org, role)
    return Actor(
        user_id=person.user_id,
        org_id=person.org_id,
        role=person.role,
        email=person.email,
        name=person.name,
        org_name=person.org_name,
        scopes=frozenset(key.scopes),
        key_id=key.id,
        lacks_second_factor=person.lacks_second_factor,
    )
