"""/org/sso for admins, and /auth/sso for browsers on their way through an identity provider."""

import base64
from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import quote, urlsplit
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from agentflow_app.accounts.endpoints import set_challenge, set_cookie
from agentflow_app.accounts.routes import AccountRoute, CurrentActor, CurrentTransaction, TenantRoute
from agentflow_app.accounts.schemas import ProofBegun, ProofThere
from agentflow_app.accounts.service import SecondFactorRequired
from agentflow_app.accounts.sessions import actor_for_session, session_cookie
from agentflow_app.core.errors import AppError, Unauthenticated
from agentflow_app.core.origin import origin
from agentflow_app.core.pagination import Page, PageQuery
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.core.serialization import dumps
from agentflow_app.core.settings import settings
from agentflow_app.organizations.welcome import welcome
from agentflow_app.sso import again, login, service, social
from agentflow_app.sso.errors import LoginGone
from agentflow_app.sso.schemas import ConnectionCreate, ConnectionOut, ConnectionUpdate, HomeRealm, TestOut

router = APIRouter(prefix="/org/sso", tags=["single sign-on"], route_class=TenantRoute)
outgoing = APIRouter(prefix="/org/sso", tags=["single sign-on"], route_class=AccountRoute)
proof = APIRouter(prefix="/auth", tags=["account"], route_class=AccountRoute)
COOKIES = {"oidc": "agentflow_sso", "saml": "agentflow_saml"}
COOKIE_PATH = "/api/v1/auth/sso"
PAGE, SOCIAL_PAGE = "/login/sso", "/login"


class DoorRoute(APIRoute):
    """A route that a browser walks through: what goes wrong leads back to the page, which has the words."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def edge(request: Request) -> Response:
            try:
                response = await handler(request)
            except AppError as error:
                page = getattr(request.state, "page", PAGE)
                response = RedirectResponse(
                    f"{page}{'&' if '?' in page else '?'}problem={quote(error.code)}", 303
                )
            response.headers["Cache-Control"] = "no-store"
            response.headers["Referrer-Policy"] = "no-referrer"
            return response

        return edge


realm = APIRouter(prefix="/auth/sso", tags=["single sign-on"])
door = APIRouter(prefix="/auth/sso", tags=["single sign-on"], route_class=DoorRoute)


@router.get("")
async def list_connections(
    query: Annotated[PageQuery, Query()], actor: CurrentActor, tx: CurrentTransaction
) -> Page[ConnectionOut]:
    return await service.ConnectionService(tx, actor).list(query)


@router.post("", status_code=201)
async def create_connection(
    data: ConnectionCreate, actor: CurrentActor, tx: CurrentTransaction, response: Response
) -> ConnectionOut:
    made = await service.ConnectionService(tx, actor).create(data)
    response.headers["Location"] = f"/api/v1/org/sso/{made.id}"
    return made


@router.get("/{connection_id}")
async def get_connection(connection_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> ConnectionOut:
    return await service.ConnectionService(tx, actor).get(connection_id)


@router.put("/{connection_id}")
async def update_connection(
    connection_id: UUID, data: ConnectionUpdate, actor: CurrentActor, tx: CurrentTransaction
) -> ConnectionOut:
    return await service.ConnectionService(tx, actor).update(connection_id, data)


@router.delete("/{connection_id}", status_code=204)
async def delete_connection(connection_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> None:
    await service.ConnectionService(tx, actor).delete(connection_id)


@outgoing.post("/{connection_id}/test")
async def try_connection(connection_id: UUID, actor: CurrentActor) -> TestOut:
    """Asks the provider what it tells about itself, and says what is wrong."""
    return await service.try_connection(actor, connection_id)


@outgoing.post("/{connection_id}/verify-domains")
async def verify_domains(connection_id: UUID, actor: CurrentActor) -> ConnectionOut:
    """Looks the domains' TXT records up."""
    return await service.verify_domains(actor, connection_id)


def _secure() -> bool:
    return settings().base_url.startswith("https://")


def _cookie(protocol: str) -> str:
    return f"__Secure-{COOKIES[protocol]}" if _secure() else COOKIES[protocol]


def _manner(protocol: str) -> dict[str, Any]:
    """Of SAML the answer is another site's post, along with which browsers bring only such a cookie.

    They keep a Secure one from plain HTTP where that is this machine itself; see `saml.usable_here`.
    """
    posted = protocol == "saml"
    return {
        "path": COOKIE_PATH,
        "httponly": True,
        "secure": posted or _secure(),
        "samesite": "none" if posted else "lax",
    }


def kept_browser(request: Request, protocol: str) -> str:
    """The secret of the browser that set out."""
    return request.cookies.get(_cookie(protocol)) or ""


def drop_browser(response: Response, protocol: str) -> None:
    response.delete_cookie(_cookie(protocol), **_manner(protocol))


@realm.get("/home")
async def home_realm(domain: Annotated[str, Query(max_length=253)]) -> HomeRealm:
    """Which single sign-on addresses of the domain have. Of accounts nothing is asked or told."""
    await rate_limits().sign_in("realm", origin.get().address or "")
    return await login.home_realm(domain)


@door.get("/start", status_code=303)
async def start(
    request: Request,
    email: Annotated[str | None, Query(max_length=255)] = None,
    connection: UUID | None = None,
    provider: social.Provider | None = None,
    prove: bool = False,
    destination: Annotated[str | None, Query(alias="next", max_length=500)] = None,
) -> RedirectResponse:
    """To Google or GitHub, or to the identity provider of the connection or of the address's domain.

    With `prove` for who is logged in to the pages, to prove that it is them.
    """
    if prove:
        request.state.page = login.own_path(destination)
    elif provider is not None:
        request.state.page = SOCIAL_PAGE
    await rate_limits().sign_in("address", origin.get().address or "")
    home = urlsplit(settings().base_url)
    if settings().public_url is None and request.url.hostname == "127.0.0.1":
        # The provider sends the browser back to localhost, where this cookie has to be by then.
        return RedirectResponse(str(request.url.replace(netloc=home.netloc)), 303)
    if prove:
        actor = await actor_for_session(session_cookie(request.headers.get("cookie", "")))
        if actor is None:
            raise Unauthenticated
        there = ProofThere(provider=provider, connection_id=connection, next=destination)
        begun = await again.begin(actor, there)
    elif provider is not None:
        begun = await social.begin(provider, destination)
    else:
        begun = await login.begin(email, connection, destination)
    answer = RedirectResponse(begun.url, 303)
    _set_browser(answer, begun)
    return answer


def _set_browser(response: Response, begun: login.Begun) -> None:
    protocol = "saml" if begun.posted else "oidc"
    age = int(login.LIFETIME.total_seconds())
    response.set_cookie(_cookie(protocol), begun.browser, max_age=age, **_manner(protocol))


@proof.post("/proof/provider")
async def begin_proof(data: ProofThere, actor: CurrentActor, response: Response) -> ProofBegun:
    """The address for a fresh sign-in, in the browser that keeps this answer's cookie."""
    await rate_limits().sign_in("account", actor.email)
    begun = await again.begin(actor, data)
    _set_browser(response, begun)
    return ProofBegun(url=begun.url)


@door.get("/callback", status_code=303)
async def callback(request: Request) -> RedirectResponse:
    """Where the provider sends the browser back to."""
    answer = {name: value for name, value in request.query_params.items() if len(value) <= 8192}
    browser = kept_browser(request, "oidc")
    spent = await login.spend(answer.get("state", ""), browser)
    if spent.connection is not None and spent.connection.protocol != "oidc":
        raise LoginGone
    if spent.session_id is not None:
        request.state.page = spent.destination
        await again.finish(spent, answer, browser)
        response = RedirectResponse(spent.destination, 303)
    elif spent.connection is not None:
        entered = await login.finish(spent.connection, answer, browser)
        response = RedirectResponse(spent.destination, 303)
        set_cookie(request, response, entered)
    else:
        request.state.page = SOCIAL_PAGE
        response = await _from_social(request, spent, answer, browser)
    drop_browser(response, "oidc")
    return response


async def _from_social(
    request: Request, spent: login.Spent, answer: dict[str, str], browser: str
) -> RedirectResponse:
    try:
        done = await social.finish(spent.provider or "", answer, browser)
    except SecondFactorRequired as error:
        # After the #, as what stands there is sent to no server; the page goes on with its second step.
        step = base64.urlsafe_b64encode(dumps(error.details).encode()).decode().rstrip("=")
        way = f"{SOCIAL_PAGE}?next={quote(spent.destination, safe='')}#second={step}"
        response = RedirectResponse(way, 303)
        set_challenge(request, response, error.browser)
        return response
    if done.newcomer:
        await welcome(done.login.actor)
    response = RedirectResponse(spent.destination, 303)
    set_cookie(request, response, done.login)
    return response
