"""The REST application: routers, error envelope, request ids and limits. Answers everything under /api."""

import logging
import re
import time
from collections.abc import Sequence

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import Histogram
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentflow_app import documentation
from agentflow_app.accounts import account_endpoints as account
from agentflow_app.accounts import api_key_endpoints as api_keys
from agentflow_app.accounts import endpoints as accounts
from agentflow_app.agents import endpoints as agents
from agentflow_app.audit import endpoints as audit
from agentflow_app.core import health
from agentflow_app.core.answers import error_response
from agentflow_app.core.errors import AppError, NotFound, PayloadTooLarge, ValidationFailed
from agentflow_app.core.ids import new_id
from agentflow_app.core.logging import request_id
from agentflow_app.core.origin import origin, origin_of
from agentflow_app.core.ratelimit import Standing, rate_limits, standing
from agentflow_app.core.settings import Settings, settings
from agentflow_app.core.version import VERSION
from agentflow_app.executions import endpoints as executions
from agentflow_app.executions import sockets
from agentflow_app.operator import endpoints as operator
from agentflow_app.organizations import endpoints as organizations
from agentflow_app.organizations import export_endpoints as exports
from agentflow_app.organizations import joining_endpoints as joining
from agentflow_app.privacy import endpoints as privacy
from agentflow_app.schedules import endpoints as schedules
from agentflow_app.schemas import endpoints as schemas
from agentflow_app.sso import endpoints as sso
from agentflow_app.sso import saml_endpoints as saml
from agentflow_app.sso import scim_endpoints as scim
from agentflow_app.triggers import endpoints as triggers
from agentflow_app.triggers import form_endpoints as forms
from agentflow_app.vault import endpoints as vault

logger = logging.getLogger(__name__)
BASE = "/api/v1"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
REQUESTS = Histogram("agentflow_http_request_seconds", "Time to answer", ["method", "route", "status"])
_LENGTH_DIGITS = 20
"""More of them are no length, and longer ones than Python converts."""
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")


class InternalError(AppError):
    """A fault of ours; the request id finds it in the logs."""


class MethodNotAllowed(AppError):  # noqa: N818
    code = "METHOD_NOT_ALLOWED"
    status = 405


class BadRequest(AppError):  # noqa: N818
    code = "BAD_REQUEST"
    status = 400


async def _app_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)
    if error.status >= 500:
        logger.warning("Request failed", extra={"code": error.code, "error": error.message})
    return error_response(error)


async def _invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields: dict[str, str] = {}
    for found in error.errors():
        where = [str(part) for part in found["loc"]]
        path = ".".join(where[1:] if where[0] in ("body", "query", "path", "header") else where) or where[0]
        known = {"extra_forbidden": "is not a field of this call", "json_invalid": "is not valid JSON"}
        fields[path] = known.get(found["type"], found["msg"].removeprefix("Value error, "))
    if any(found["loc"][0] == "path" for found in error.errors()):
        return error_response(NotFound(f"There is nothing at {request.url.path}"))
    return error_response(ValidationFailed(fields=fields))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, AppError):
        return error_response(error.__cause__)  # raised while the body was read
    if error.status_code == 404:
        return error_response(NotFound(f"There is nothing at {request.url.path}"))
    if error.status_code == 405:
        headers = dict(error.headers or {})
        return error_response(MethodNotAllowed(f"{request.method} is not possible here"), headers)
    if error.status_code == 400:
        return error_response(
            ValidationFailed("The body cannot be read", fields={"body": "is not readable JSON"})
        )
    return error_response(BadRequest(str(error.detail)))


class RequestEdge:
    """Around every request: its id, a bound on its body, and the headers that every answer carries."""

    def __init__(self, app: ASGIApp, max_body_bytes: int, trusted_proxies: Sequence[str]) -> None:
        self._app = app
        self._max = max_body_bytes
        self._proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        current = given if _SANE_ID.fullmatch(given) else str(new_id())
        token = request_id.set(current)
        peer = scope.get("client")
        source = origin_of(peer[0] if peer else None, Headers(scope=scope), self._proxies)
        origin.set(source)
        standing.set(None)
        address = source.address or ""
        status = 0
        began = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                counted = await self._counted(scope, address)
                message = {
                    **message,
                    "headers": [
                        *message["headers"],
                        (b"x-request-id", current.encode()),
                        *(counted.headers() if counted else ()),
                    ],
                }
            await send(message)

        try:
            if scope["type"] == "http":
                if scope["path"].startswith("/api"):
                    rate_limits().ensure_not_blocked(address)
                if scope["method"] not in _METHODS and scope["path"].startswith("/api"):
                    await error_response(MethodNotAllowed("This method is not possible here"))(
                        scope, receive, send_with_id
                    )
                    return
                declared = headers.get(b"content-length", b"0")
                if not declared.isdigit() or len(declared) > _LENGTH_DIGITS or int(declared) > self._max:
                    await error_response(self._too_large())(scope, receive, send_with_id)
                    return
                await self._app(scope, self._bounded(receive), send_with_id)
            else:
                await self._app(scope, receive, send)
        except AppError as error:
            if status or scope["type"] != "http":
                raise
            await error_response(error)(scope, receive, send_with_id)
        except Exception:
            logger.exception("Request crashed")
            if status or scope["type"] != "http":
                raise
            message = "Something went wrong on our side; the request id finds it in the logs"
            await error_response(InternalError(message))(scope, receive, send_with_id)
        finally:
            if status:
                self._log(scope, status, time.perf_counter() - began)
            request_id.reset(token)

    @staticmethod
    async def _counted(scope: Scope, address: str) -> Standing | None:
        """What the headers tell: the limit that the call came under, else that of strangers."""
        if not scope["path"].startswith("/api"):
            return None
        return standing.get() or await rate_limits().stranger(address)

    @staticmethod
    def _log(scope: Scope, status: int, seconds: float) -> None:
        """One line a call. The route's pattern and not the path: a hook's path is its credential."""
        route = getattr(scope.get("route"), "path_format", "-")
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        REQUESTS.labels(method, route, status).observe(seconds)
        if not scope["path"].startswith("/api"):
            return
        fields = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 1)}
        logger.info("Request", extra=fields)

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"The body is larger than {self._max} bytes")

    def _bounded(self, receive: Receive) -> Receive:
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max:
                raise self._too_large()
            return message

        return bounded


def create_api(config: Settings | None = None) -> FastAPI:
    """The application that Reflex mounts beside the pages."""
    config = config or settings()
    app = FastAPI(
        title="AgentFlow",
        version=VERSION,
        openapi_url=f"{BASE}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for router in (
        triggers.router,
        triggers.public,
        forms.router,
        accounts.router,
        accounts.sessions,
        accounts.own,
        account.router,
        privacy.router,
        api_keys.router,
        api_keys.secret,
        accounts.switching,
        organizations.router,
        organizations.secret,
        exports.router,
        exports.download,
        operator.router,
        joining.router,
        joining.entrance,
        agents.router,
        executions.router,
        executions.live,
        sockets.router,
        schedules.router,
        schemas.router,
        scim.secret,
        scim.tokens,
        scim.router,
        sso.router,
        sso.proof,
        sso.outgoing,
        sso.realm,
        sso.door,
        saml.about,
        saml.door,
        vault.router,
        vault.outgoing,
        documentation.router,
        audit.router,
    ):
        app.include_router(router, prefix=BASE)
    app.include_router(health.router)
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_api_route("/api/{path:path}", _nothing_here, methods=_METHODS, include_in_schema=False)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=config.cors_origins,
        allow_methods=["*"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-API-Key", "X-Request-ID"],
        expose_headers=[
            "X-Request-ID",
            "Location",
            "Retry-After",
            "X-RateLimit-Limit",
            "X-RateLimit-Remaining",
            "X-RateLimit-Reset",
        ],
    )
    app.add_middleware(
        RequestEdge, max_body_bytes=config.max_body_bytes, trusted_proxies=config.trusted_proxies
    )
    return app


async def _nothing_here(path: str, request: Request) -> None:
    """The last route under /api: nothing has this path, or nothing has it with this method."""
    others = [route for route in request.app.routes if getattr(route, "endpoint", None) is not _nothing_here]
    known = any(route.matches(request.scope)[0] is Match.PARTIAL for route in others)
    raise HTTPException(405 if known else 404)


__all__ = ["BASE", "create_api"]
