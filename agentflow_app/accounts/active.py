"""The logins that a person has open: seen, and ended one by one or all at once."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlmodel import col

from agentflow_app.accounts.models import EndedSession, PageSession, RefreshToken, User
from agentflow_app.accounts.schemas import SessionOut
from agentflow_app.accounts.sessions import end_sessions
from agentflow_app.accounts.trail import note
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import Forbidden, NotFound
from agentflow_app.core.tenancy import Actor
from agentflow_app.organizations.models import Organization

REMEMBERED = timedelta(hours=1)
"""Longer than an access token lives, and than a socket goes unasked."""


class SessionNotFound(NotFound):
    code = "SESSION_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such session; it may have ended already")


def person_of(actor: Actor) -> UUID:
    """Whose account it is. Raises Forbidden for a key, which never manages its maker's account."""
    if not actor.is_person or actor.user_id is None:
        raise Forbidden("Only a person manages an account; an API key cannot")
    return actor.user_id


async def user_of(tx: Transaction, user_id: UUID, *, lock: bool = False) -> User:
    query = select(User).where(col(User.id) == user_id)
    return (await tx.execute(query.with_for_update() if lock else query)).scalar_one()


async def list_sessions(actor: Actor) -> list[SessionOut]:
    """The newest first."""
    user_id = person_of(actor)
    async with database().system() as tx:
        pages = await tx.execute(
            select(PageSession, col(Organization.name))
            .join(Organization, col(Organization.id) == col(PageSession.org_id))
            .where(col(PageSession.user_id) == user_id, col(PageSession.expires_at) > func.now())
        )
        tokens = await tx.execute(
            select(RefreshToken, col(Organization.name))
            .join(Organization, col(Organization.id) == col(RefreshToken.org_id))
            .where(
                col(RefreshToken.user_id) == user_id,
                col(RefreshToken.expires_at) > func.now(),
                col(RefreshToken.revoked_at).is_(None),
                col(RefreshToken.used_at).is_(None),
            )
            .order_by(col(RefreshToken.created_at))
        )
        found = [_page(page, name) for page, name in pages]
        families = {token.family_id: _family(token, name) for token, name in tokens}
    for each in (*found, *families.values()):
        each.current = each.id == actor.session_id
    return sorted((*found, *families.values()), key=lambda each: each.last_seen_at, reverse=True)


def _page(session: PageSession, organization: str) -> SessionOut:
    return SessionOut(
        id=session.id,
        kind="browser",
        organization=organization,
        browser=browser_name(session.user_agent),
        address=session.address,
        created_at=session.created_at,
        last_seen_at=session.last_seen_at or session.created_at,
    )


def _family(token: RefreshToken, organization: str) -> SessionOut:
    return SessionOut(
        id=token.family_id,
        kind="api",
        organization=organization,
        browser=browser_name(token.user_agent),
        address=token.address,
        created_at=token.opened_at or token.created_at,
        last_seen_at=token.created_at,
    )


_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"))
_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def browser_name(user_agent: str | None) -> str:
    """A user agent as a person would say it: `Chrome on Linux`."""
    if not user_agent:
        return "Unknown"
    known = (*_BROWSERS, ("Safari/", "Safari"))
    browser = next((name for mark, name in known if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    return f"{browser} on {system}" if browser and system else browser or user_agent.split("/")[0][:40]


async def end_session(actor: Actor, session_id: UUID) -> None:
    """Raises SessionNotFound, also for another person's."""
    user_id = person_of(actor)
    async with database().system() as tx:
        if not await end_sessions(tx, user_id, only=session_id):
            raise SessionNotFound
        await note(tx, await user_of(tx, user_id), "user.session_revoked", {"session_id": str(session_id)})


async def end_everything(actor: Actor) -> None:
    """Logs the person out everywhere, here too."""
    user_id = person_of(actor)
    async with database().system() as tx:
        user = await user_of(tx, user_id, lock=True)
        user.tokens_valid_after = utcnow()
        ended = await end_sessions(tx, user_id)
        await note(tx, user, "user.signed_out_everywhere", {"sessions": ended})


async def sweep_ended() -> None:
    async with database().system() as tx:
        await tx.execute(delete(EndedSession).where(col(EndedSession.ended_at) < func.now() - REMEMBERED))
