"""Refresh tokens and page sessions: opened, exchanged, looked up and revoked. Works across tenants."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http.cookies import CookieError, SimpleCookie
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from agentflow_app.accounts.models import EndedSession, PageSession, RefreshToken, User
from agentflow_app.accounts.standing import may_act
from agentflow_app.accounts.tokens import digest, new_secret
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import Unauthenticated
from agentflow_app.core.ids import new_id
from agentflow_app.core.origin import origin
from agentflow_app.core.tenancy import Actor, role_of
from agentflow_app.organizations.models import Membership, Organization
from agentflow_app.organizations.settings import read_settings
from agentflow_app.sso.enforcement import demands

REFRESH_LIFETIME = timedelta(days=7)
PAGE_LIFETIME = timedelta(days=14)
GRACE = timedelta(seconds=10)
SEEN_EVERY = timedelta(minutes=1)
SESSION_COOKIE = "agentflow_session"
REFRESH_COOKIE = "agentflow_refresh"


@dataclass(frozen=True, slots=True)
class Identity:
    user_id: UUID
    org_id: UUID
    session_id: UUID | None = None
    sso_org_id: UUID | None = None


class SessionExpired(Unauthenticated):
    code = "SESSION_EXPIRED"


async def open_refresh(tx: Transaction, who: Identity, opened_at: datetime | None = None) -> str:
    """The first token of the family `who.session_id`, or the next of one that was opened before."""
    secret, source = new_secret(), origin.get()
    tx.add(
        RefreshToken(
            family_id=who.session_id or new_id(),
            opened_at=opened_at or utcnow(),
            address=source.address,
            user_agent=source.user_agent,
            user_id=who.user_id,
            org_id=who.org_id,
            sso_org_id=who.sso_org_id,
            token_hash=digest(secret),
            expires_at=utcnow() + REFRESH_LIFETIME,
        )
    )
    await tx.flush()
    return secret


async def exchange_refresh(tx: Transaction, secret: str) -> tuple[Identity, str] | None:
    """The owner and the next token of the family; None if the token is not (or no longer) good.

    A token used before is accepted for ten more seconds, for two tabs at once; later it ends its family.
    The caller commits in either case, so that the revocation lasts.
    """
    row = (
        await tx.execute(
            select(RefreshToken).where(col(RefreshToken.token_hash) == digest(secret)).with_for_update()
        )
    ).scalar_one_or_none()
    now = utcnow()
    if row is None or row.revoked_at is not None or row.expires_at <= now:
        return None
    if row.used_at is not None and now - row.used_at > GRACE:
        await end_sessions(tx, row.user_id, only=row.family_id)
        return None
    row.used_at = row.used_at or now
    who = Identity(row.user_id, row.org_id, row.family_id, row.sso_org_id)
    return who, await open_refresh(tx, who, row.opened_at)


async def end_sessions(
    tx: Transaction,
    user_id: UUID,
    *,
    only: UUID | None = None,
    but: UUID | None = None,
    org_id: UUID | None = None,
) -> int:
    """Ends a person's logins and all that hangs on them: cookies, access tokens, sockets. How many."""
    pages = delete(PageSession).where(col(PageSession.user_id) == user_id)
    families = update(RefreshToken).where(
        col(RefreshToken.user_id) == user_id, col(RefreshToken.revoked_at).is_(None)
    )
    if only is not None:
        pages = pages.where(col(PageSession.id) == only)
        families = families.where(col(RefreshToken.family_id) == only)
    if but is not None:
        pages = pages.where(col(PageSession.id) != but)
        families = families.where(col(RefreshToken.family_id) != but)
    if org_id is not None:
        pages = pages.where(col(PageSession.org_id) == org_id)
        families = families.where(col(RefreshToken.org_id) == org_id)
    ended = set((await tx.execute(pages.returning(col(PageSession.id)))).scalars())
    revoked = families.values(revoked_at=func.now()).returning(col(RefreshToken.family_id))
    ended |= set((await tx.execute(revoked)).scalars())
    if ended:
        await tx.execute(insert(EndedSession).on_conflict_do_nothing(), [{"id": each} for each in ended])
    return len(ended)


async def session_of(tx: Transaction, secret: str) -> Identity | None:
    """The login that a cookie of either kind belongs to, whether it is still good or not."""
    hashed = digest(secret)
    pages = select(col(PageSession.user_id), col(PageSession.org_id), col(PageSession.id)).where(
        col(PageSession.token_hash) == hashed
    )
    tokens = select(col(RefreshToken.user_id), col(RefreshToken.org_id), col(RefreshToken.family_id)).where(
        col(RefreshToken.token_hash) == hashed
    )
    row = (await tx.execute(pages.union_all(tokens))).first()
    return Identity(*row) if row else None


async def open_page_session(tx: Transaction, who: Identity) -> str:
    secret, source = new_secret(), origin.get()
    tx.add(
        PageSession(
            id=who.session_id or new_id(),
            address=source.address,
            user_agent=source.user_agent,
            user_id=who.user_id,
            org_id=who.org_id,
            sso_org_id=who.sso_org_id,
            token_hash=digest(secret),
            expires_at=utcnow() + PAGE_LIFETIME,
        )
    )
    await tx.flush()
    return secret


def session_cookie(header: str) -> str | None:
    """The page session in a `Cookie` header, under its plain or its HTTPS name."""
    try:
        jar = SimpleCookie(header)
    except CookieError:
        return None
    found = jar.get(f"__Host-{SESSION_COOKIE}") or jar.get(SESSION_COOKIE)
    return found.value if found else None


async def actor_for_session(secret: str | None) -> Actor | None:
    """Who the page session belongs to, read anew; None when it is unknown, expired or its person is out."""
    if not secret:
        return None
    async with database().system() as tx:
        row = (
            await tx.execute(
                select(
                    User,
                    Organization,
                    col(Membership.role),
                    PageSession,
                    demands(col(Organization.id), col(User.email)),
                )
                .select_from(PageSession)
                .join(User, col(User.id) == col(PageSession.user_id))
                .join(Organization, col(Organization.id) == col(PageSession.org_id))
                .join(
                    Membership,
                    (col(Membership.user_id) == col(PageSession.user_id))
                    & (col(Membership.org_id) == col(PageSession.org_id)),
                )
                .where(
                    col(PageSession.token_hash) == digest(secret),
                    col(PageSession.expires_at) > func.now(),
                    *may_act(),
                )
            )
        ).one_or_none()
        if row is None:
            return None
        user, org, role, session, demanded = row
        if session.last_seen_at is None or utcnow() - session.last_seen_at > SEEN_EVERY:
            seen = update(PageSession).where(col(PageSession.id) == session.id)
            await tx.execute(seen.values(last_seen_at=func.now()))
    return replace(
        actor_of(user, org, role, session.id),
        operates=user.is_operator,
        sso_org_id=session.sso_org_id,
        lacks_single_sign_on=lacks_single_sign_on(demanded, role, org.id, session.sso_org_id),
    )


def lacks_single_sign_on(demanded: bool, role: str, org_id: UUID, sso_org_id: UUID | None) -> bool:
    """An owner keeps the other ways in: else a broken provider would shut everybody out."""
    return demanded and role != "owner" and sso_org_id != org_id


def actor_of(user: User, org: Organization, role: str, session_id: UUID | None = None) -> Actor:
    demanded = read_settings(org.settings).require_second_factor
    return Actor(
        user_id=user.id,
        org_id=org.id,
        role=role_of(role),
        email=user.email,
        name=user.name,
        org_name=org.name,
        session_id=session_id,
        lacks_second_factor=demanded and user.second_factor_at is None,
    )


async def end_logins(org_id: UUID, user_id: UUID) -> None:
    """Ends a person's logins to one organization. Committed by itself: at worst somebody logs in again."""
    async with database().system() as tx:
        await end_sessions(tx, user_id, org_id=org_id)


async def switch_page_session(secret: str | None, org_id: UUID) -> bool:
    """Makes another of the person's organizations the page session's; whether they may act there."""
    if not secret:
        return False
    allowed = (
        select(col(Membership.user_id))
        .join(Organization, col(Organization.id) == col(Membership.org_id))
        .join(User, col(User.id) == col(Membership.user_id))
        .where(
            col(Membership.org_id) == org_id,
            col(Membership.user_id) == col(PageSession.user_id),
            *may_act(),
        )
    )
    switched = (
        update(PageSession)
        .where(
            col(PageSession.token_hash) == digest(secret),
            col(PageSession.expires_at) > func.now(),
            allowed.exists(),
        )
        .values(org_id=org_id)
        .returning(col(PageSession.id))
    )
    async with database().system() as tx:
        return (await tx.execute(switched)).scalar_one_or_none() is not None


async def sweep_sessions() -> None:
    """Removes what has expired; a used refresh token stays until then, so that its reuse is noticed."""
    async with database().system() as tx:
        await tx.execute(delete(PageSession).where(col(PageSession.expires_at) < func.now()))
        await tx.execute(delete(RefreshToken).where(col(RefreshToken.expires_at) < func.now()))
