"""The edge that every tenant route shares: who, one transaction, one answer per idempotency key.

401 comes before the body is read; the commit comes before the answer is sent.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any, cast

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from agentflow_app.accounts.authentication import authenticate, credential, entered
from agentflow_app.core import idempotency
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import Forbidden
from agentflow_app.core.origin import is_foreign, origin
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.core.schemas import address_of
from agentflow_app.core.serialization import loads
from agentflow_app.core.tenancy import Actor

_BODILESS = frozenset({"GET", "HEAD"})
AfterCommit = Callable[[Response], Awaitable[Response]]


@asynccontextmanager
async def _opened(request: Request) -> AsyncIterator[tuple[Actor, Transaction]]:
    secret = credential(request.headers)
    if request.method in _BODILESS:
        async with entered(secret) as both:
            yield both
        return
    actor = await authenticate(secret)
    await rate_limits().organization(actor.org_id, actor.key_id)
    await request.body()  # before the transaction: a slow sender must not hold a connection
    async with database().transaction(actor) as tx:
        yield actor, tx


class TenantRoute(APIRoute):
    """A route for an authenticated actor, in one transaction bound to the actor's organization."""

    keeps_answers = True

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler, keeps_answers = super().get_route_handler(), self.keeps_answers

        async def edge(request: Request) -> Response:
            async with _opened(request) as (actor, tx):
                request.state.actor, request.state.tx = actor, tx
                answer = _answer_once(request, actor, tx, handler) if keeps_answers else handler(request)
                response = await answer
            finish: AfterCommit | None = getattr(request.state, "after_commit", None)
            return await finish(response) if finish else response

        return edge


class SecretRoute(TenantRoute):
    """One whose answer holds a secret: it is not kept, and a repeated call is another call."""

    keeps_answers = False


class ForeignPage(Forbidden):
    """A page of another origin tried to use, or to set, somebody's login."""

    code = "FOREIGN_ORIGIN"


def ensure_own_page(request: Request) -> None:
    """For routes that read or set a cookie. Raises ForeignPage."""
    if is_foreign(request.headers.get("origin"), request.headers.get("host", "")):
        raise ForeignPage("This may only be called from AgentFlow's own pages")


class AccountRoute(APIRoute):
    """A route about the caller's own account, which is in no tenant. Nothing of its answers is kept."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def edge(request: Request) -> Response:
            actor = await authenticate(credential(request.headers))
            await rate_limits().organization(actor.org_id, actor.key_id)
            request.state.actor = actor
            response = await handler(request)
            response.headers["Cache-Control"] = "no-store"
            return response

        return edge


class CookieRoute(APIRoute):
    """A route that a cookie authenticates: only for our own pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def edge(request: Request) -> Response:
            ensure_own_page(request)
            return await handler(request)

        return edge


class SignInRoute(APIRoute):
    """A route for proving who one is: counted by address, and by the account that the body names."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def edge(request: Request) -> Response:
            ensure_own_page(request)
            limits = rate_limits()
            await limits.sign_in("address", origin.get().address or "")
            account = _named_account(await request.body())
            if account:
                await limits.sign_in("account", account)
            return await handler(request)

        return edge


def _named_account(body: bytes) -> str | None:
    try:
        given = loads(body)
    except ValueError:
        return None
    email = given.get("email") if isinstance(given, dict) else None
    return address_of(email) if isinstance(email, str) else None


async def _answer_once(
    request: Request,
    actor: Actor,
    tx: Transaction,
    handler: Callable[[Request], Coroutine[Any, Any, Response]],
) -> Response:
    key = request.headers.get("idempotency-key")
    if key is None or request.method != "POST":
        return await handler(request)
    call = idempotency.call_of(
        actor.org_id,
        actor.key_id or actor.user_id or actor.org_id,
        request.method,
        request.url.path,
        request.url.query,
        key,
        await request.body(),
    )
    first = await idempotency.first_answer(tx, call)
    if first:
        return Response(first.body, first.status, headers={**first.headers, "Idempotent-Replayed": "true"})
    response = await handler(request)
    await idempotency.keep_answer(tx, call, response.status_code, response.headers, bytes(response.body))
    return response


def _actor(request: Request) -> Actor:
    return cast(Actor, request.state.actor)


def _transaction(request: Request) -> Transaction:
    return cast(Transaction, request.state.tx)


CurrentActor = Annotated[Actor, Depends(_actor)]
CurrentTransaction = Annotated[Transaction, Depends(_transaction)]
