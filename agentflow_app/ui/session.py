"""Who a page event comes from, and what a page shows when it fails.

The cookie is looked up anew at every event. What a state kept about its user is for display only.
"""

import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import UUID

import reflex as rx

from agentflow_app.accounts.sessions import actor_for_session, session_cookie
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import AppError, NotFound, Unauthenticated
from agentflow_app.core.ids import new_id, parse_id
from agentflow_app.core.logging import request_id
from agentflow_app.core.origin import origin, origin_of
from agentflow_app.core.settings import settings
from agentflow_app.core.tenancy import Actor, Permission, SecondFactorNeeded, SingleSignOnNeeded

logger = logging.getLogger(__name__)

Handler = Callable[..., Awaitable[Any]]


class SignedOut(Exception):  # noqa: N818  # a fact about the visitor, not a fault
    """The event carries no live session."""


@dataclass
class Failure:
    """Why a page has nothing to show; `status` 0: it has."""

    status: int = 0
    message: str = ""
    request_id: str = ""


async def actor_of(state: rx.State) -> Actor:
    """The actor behind this event; raises SignedOut."""
    headers = {name.lower(): value for name, value in state.router.headers.raw_headers.items()}
    origin.set(origin_of(state.router.session.client_ip, headers, settings().trusted_proxies))
    actor = await actor_for_session(session_cookie(state.router.headers.cookie))
    if actor is None:
        raise SignedOut
    return actor


def id_of(value: object) -> UUID:
    """The id that a page or its path sent; raises NotFound where it is none."""
    found = parse_id(value) if isinstance(value, str) else None
    if found is None:
        raise NotFound("There is no such thing")
    return found


def login_path(state: rx.State) -> str:
    return f"/login?next={quote(state.router.url.path)}"


def single_sign_on_path(state: rx.State) -> str:
    return f"/login/sso?problem=SSO_DEMANDED&next={quote(state.router.url.path)}"


class PageState(rx.State, mixin=True):
    """What every page has: whether it loads, and how it failed."""

    loading: bool = True
    failure: Failure = Failure()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[tuple[Transaction, Actor]]:
        """The one transaction of this event, for its actor."""
        actor = await actor_of(self)
        async with database().transaction(actor) as tx:
            yield tx, actor

    async def _ensure(self, permission: Permission) -> None:
        """Before what the page has loaded is shown once more: raises as loading it would by now."""
        (await actor_of(self)).require(permission)


def _explain(error: Exception) -> Failure:
    reference = request_id.get() or ""
    if isinstance(error, AppError):
        return Failure(error.status, error.message, reference)
    logger.exception("A page event failed")
    return Failure(500, "Something went wrong on our side. It was noted under the number below.", reference)


def event(handler: Callable[..., Any]) -> Any:
    """Makes a method of a state an event handler; the class then holds a handler to bind, not a function."""
    return rx.event(handler)


def background(handler: Handler) -> Any:
    """The same for one that goes on while the page lives; it enters `async with self` only to assign."""

    @functools.wraps(handler)
    async def guarded(self: PageState, *args: Any, **kwargs: Any) -> Any:
        try:
            return await handler(self, *args, **kwargs)
        except (SignedOut, Unauthenticated):
            # Put out while looking on: nothing of the page may stay on the screen.
            return rx.redirect(login_path(self))
        except SingleSignOnNeeded:
            return rx.redirect(single_sign_on_path(self))

    return rx.event(background=True)(guarded)


def loads(handler: Handler) -> Any:
    """For the handler that fills a page: it ends with content or with the page's failure state."""

    @functools.wraps(handler)
    async def guarded(self: PageState, *args: Any, **kwargs: Any) -> Any:
        token = request_id.set(str(new_id()))
        try:
            result = await handler(self, *args, **kwargs)
            self.failure = Failure()
            self.loading = False
            return result
        except SignedOut:
            # Still nothing to show: whoever comes back after the login must not see an empty page first.
            self.loading = True
            return rx.redirect(login_path(self))
        except SingleSignOnNeeded:
            self.loading = True
            return rx.redirect(single_sign_on_path(self))
        except SecondFactorNeeded:
            self.loading = True
            return rx.redirect("/settings/security")
        except Exception as error:
            self.failure = _explain(error)
            self.loading = False
            return None
        finally:
            request_id.reset(token)

    return guarded


def acts(handler: Handler) -> Any:
    """For what a person does on a loaded page: a failure is a toast, and the page stays as it is."""

    @functools.wraps(handler)
    async def guarded(self: PageState, *args: Any, **kwargs: Any) -> Any:
        token = request_id.set(str(new_id()))
        try:
            return await handler(self, *args, **kwargs)
        except SignedOut:
            return rx.redirect(login_path(self))
        except SingleSignOnNeeded:
            return rx.redirect(single_sign_on_path(self))
        except Exception as error:
            failure = _explain(error)
            return rx.toast.error(failure.message, description=f"Request {failure.request_id}")
        finally:
            request_id.reset(token)

    return guarded
