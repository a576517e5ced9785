"""Who sends a request, told from its headers alone, before its body is read."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select, true, update
from sqlmodel import col

from agentflow_app.accounts.models import PUBLIC_USER, ApiKey, EndedSession, User
from agentflow_app.accounts.sessions import actor_of
from agentflow_app.accounts.standing import may_act
from agentflow_app.accounts.tokens import digest, read_access_token
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import database
from agentflow_app.core.errors import Unauthenticated
from agentflow_app.core.tenancy import Actor
from agentflow_app.organizations.models import Membership, Organization

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


async def _by_token(token: str) -> Actor | None:
    claims = read_access_token(token)
    if claims is None:
        return None
    async with database().transaction(org_id=claims.org_id) as tx:
        row = (
            await tx.execute(
                select(User, Organization, col(Membership.role))
                .select_from(Membership)
                .join(User, col(User.id) == col(Membership.user_id))
                .join(Organization, col(Organization.id) == col(Membership.org_id))
                .options(PUBLIC_USER)
                .where(
                    col(Membership.user_id) == claims.user_id,
                    col(Membership.org_id) == claims.org_id,
                    *may_act(),
                    or_(
                        col(User.tokens_valid_after).is_(None),
                        col(User.tokens_valid_after) < claims.issued_at,
                    ),
                    _not_ended(claims.session_id),
                )
            )
        ).one_or_none()
    return actor_of(*row, claims.session_id) if row else None


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
