"""Whose a tab's state is. A tab keeps its state when its person logs out, and the next one gets it whole."""

import logging

import reflex as rx
from reflex.event import Event
from reflex.state import BaseState, StateUpdate

from agentflow_app.accounts.sessions import actor_for_session, session_cookie
from agentflow_app.accounts.tokens import digest
from agentflow_app.core.errors import AppError

logger = logging.getLogger(__name__)
_SHOWS_ALL = ("hydrate", "hydrate_and_load")
"""They send all that the state holds, without asking anybody's leave."""


class Owner(rx.State):
    """Never sent: the digest of the session cookie, and who it stood for."""

    _cookie: str = ""
    _login: str = ""


class Ownership(rx.Middleware):
    """Empties a state before an event of a login that did not fill it."""

    async def preprocess(self, app: rx.App, state: BaseState, event: Event) -> StateUpdate | None:
        root = state._get_root_state()
        owner = root.get_substate(Owner.get_full_name().split("."))
        assert isinstance(owner, Owner)
        secret = session_cookie(root.router.headers.cookie)
        cookie = digest(secret) if secret else ""
        if cookie == owner._cookie and event.name.rpartition(".")[2] not in _SHOWS_ALL:
            return None
        login = await _login_of(secret)
        if login == "" or login != owner._login:
            root.reset()  # type: ignore[no-untyped-call]  # Reflex leaves it untyped
        owner._cookie, owner._login = cookie, login
        return None


async def _login_of(secret: str | None) -> str:
    """The session and its organization; empty where there is none, or nobody can tell."""
    try:
        actor = await actor_for_session(secret)
    except AppError:
        logger.warning("A tab begins anew: nobody can tell whose it is")
        return ""
    return f"{actor.session_id} {actor.org_id}" if actor else ""
