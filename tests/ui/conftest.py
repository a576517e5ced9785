"""Page states as a browser's tab has them, with the session cookie of whoever opened it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import pytest
import reflex as rx

from agentflow_app.accounts.sessions import SESSION_COOKIE, Identity, open_page_session
from agentflow_app.core.database import database
from agentflow_app.core.settings import Settings
from tests.actors import Person

S = TypeVar("S", bound=rx.State)


class Tab:
    """One tab's state tree."""

    def __init__(self, cookie: str, path: str) -> None:
        self.root = rx.State(_reflex_internal_init=True)  # type: ignore[call-arg]
        self.path = path
        self.connect(cookie)

    def connect(self, cookie: str) -> None:
        """A socket brings the cookies that the browser has when it opens."""
        router = {
            "token": "a-token",
            "sid": "a-session",
            "headers": {"cookie": cookie, "origin": "http://agentflow.test"},
            "pathname": self.path,
            "asPath": self.path,
            "query": {},
        }
        self.root.router_data = self.root._update_router_vars(router, {})

    def state(self, kind: type[S]) -> S:
        return self.root.get_substate(kind.get_full_name().split("."))  # type: ignore[return-value]

    async def send(self, kind: type[rx.State], handler: str, *arguments: Any) -> list[Any]:
        """Runs an event handler and gives back the events that it answers with."""
        outcome = kind.event_handlers[handler].fn(self.state(kind), *arguments)
        if isinstance(outcome, AsyncIterator):
            answers = [answer async for answer in outcome]
        else:
            answers = [await outcome]
        flat = [item for answer in answers for item in (answer if isinstance(answer, list) else [answer])]
        return [item for item in flat if item is not None]


OpenTab = Callable[..., Awaitable[Tab]]


@pytest.fixture
def open_tab(settings: Settings) -> OpenTab:
    async def opened(person: Person | None, path: str = "/", *, cookie: str | None = None) -> Tab:
        if person is not None and cookie is None:
            async with database().system() as tx:
                identity = Identity(person.actor.user_id, person.actor.org_id)
                cookie = f"{SESSION_COOKIE}={await open_page_session(tx, identity)}"
        return Tab(cookie or "", path)

    return opened
