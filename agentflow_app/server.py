"""The web process: pages, REST and WebSockets on one port, from one event loop, with the built front end."""

import asyncio
import importlib
import logging
import os
import signal
from collections.abc import MutableMapping
from typing import Any

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse

from agentflow_app.accounts.sessions import session_cookie
from agentflow_app.core.frontend import sources
from agentflow_app.core.memory import settle
from agentflow_app.core.origin import is_foreign
from agentflow_app.core.settings import Settings
from agentflow_app.core.startup import StartupError
from agentflow_app.headers import SecurityHeaders

Message = MutableMapping[str, Any]
_IMMUTABLE = b"public, max-age=31536000, immutable"
_CONNECTIONS_WAITING = 1024


def serve(config: Settings) -> None:
    """Runs until SIGTERM or SIGINT.

    :raises StartupError: when the front end is not built or the port is taken.
    """
    build = sources.build_of(config.data_dir)
    if not sources.is_built(build):
        raise StartupError(f"The front end is not built in {build.parent}: run agentflow build.")
    os.environ |= {
        "REFLEX_WEB_WORKDIR": str(build),
        "__REFLEX_SKIP_COMPILE": "true",
        "__REFLEX_MOUNT_FRONTEND_COMPILED_APP": "true",
        "REFLEX_ENV_MODE": "prod",
        "REFLEX_BACKEND_ONLY": "true",
        "REFLEX_TELEMETRY_ENABLED": "false",
    }
    os.chdir(sources.PROJECT)
    # By name: workers import this package too, and must not load Reflex with it.
    root = importlib.import_module("agentflow_app.agentflow_app").app
    pages = build / "build" / "client"
    everything = ApiFirst(root(), root.api_transformer)
    door = FrontDoor(everything, (pages / "signup" / "index.html").read_text("utf-8"))
    application = SecurityHeaders(CachedAssets(door), config, pages, door.page)
    root.sio.eio.cors_allowed_origins = lambda page, environ: (
        not is_foreign(page, environ.get("HTTP_HOST", ""))
    )
    settle()
    uvloop.run(_run(application, config))


async def _run(application: Any, config: Settings) -> None:
    logging.getLogger("_granian").setLevel(logging.ERROR)
    server = Server(
        application,
        address=config.host,
        port=config.port,
        interface=Interfaces.ASGI,
        backlog=_CONNECTIONS_WAITING,
        log_enabled=False,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    await server.serve()


class ApiFirst:
    """Calls of the API go there at once, past what only pages need."""

    def __init__(self, application: Any, api: Any) -> None:
        self._application = application
        self._api = api

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        called = scope["type"] == "http" and scope["path"].startswith("/api/")
        await (self._api if called else self._application)(scope, receive, send)


class FrontDoor:
    """Shows `/` to members; everyone else gets the sign-up page there, without a round trip.

    Its script then puts the page's own address in the bar, or that of the login for who was here before.
    """

    _SCRIPT = """<script>
location.replace(localStorage.getItem("agentflow.known") ? "/login/" : "/signup/");
</script>"""

    def __init__(self, application: Any, sign_up: str) -> None:
        self._application = application
        self.page = sign_up.replace("<head>", f"<head>{self._SCRIPT}", 1)
        self._answer = HTMLResponse(self.page, headers={"Cache-Control": "no-store"})

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        stranger = (
            scope["type"] == "http"
            and scope["path"] == "/"
            and scope["method"] in ("GET", "HEAD")
            and session_cookie(Headers(scope=scope).get("cookie", "")) is None
        )
        await (self._answer if stranger else self._application)(scope, receive, send)


class CachedAssets:
    """Lets browsers keep files that carry their content in their name, and ask again for all others."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._application(scope, receive, send)
            return
        hashed = scope["path"].startswith("/assets/")

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                if not any(name.lower() == b"cache-control" for name, _ in headers):
                    found = message["status"] in (200, 206, 304)
                    headers.append((b"cache-control", _IMMUTABLE if hashed and found else b"no-cache"))
                    message = {**message, "headers": headers}
            await send(message)

        await self._application(scope, receive, send_with_policy)
