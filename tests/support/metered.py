"""What the app does until an answer is out, counted: a stranger's clock could tell as much."""

from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from agentflow_app.accounts import passwords

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
PING = ";"
"""What the pool asks a connection before it gives it out."""
VARYING = frozenset({"x-request-id", "date"})
_done: ContextVar[list[str] | None] = ContextVar("done", default=None)


def note(what: str) -> None:
    done = _done.get()
    if done is not None:
        done.append(what)


class Metered:
    """The app as a client sees it; `last` is what it did for the answer before, in order."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.last: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        done: list[str] = []
        _done.set(done)

        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self.last = done[:]  # what comes after the answer nobody waits for
            await send(message)

        await self.app(scope, receive, sending)

    def client(self, base_url: str = "http://agentflow.test/api/v1") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=base_url)


def count_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statements are noted at the driver, hashes where they are made."""
    execute = psycopg.AsyncCursor.execute

    async def noted(cursor: Any, query: Any, *args: Any, **options: Any) -> Any:
        text = query.decode() if isinstance(query, bytes) else str(query)
        if text != PING:
            note(text)
        return await execute(cursor, query, *args, **options)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", noted)
    hash_one, verify = passwords.hash_password, passwords.verify_password

    async def hashing(password: str) -> str:
        note("hash")
        return await hash_one(password)

    async def verifying(stored: str | None, password: str) -> bool:
        note("verify a hash")
        return await verify(stored, password)

    for module in ("accounts.service", "accounts.recovery", "accounts.proof", "accounts.proving"):
        for name, instead in (("hash_password", hashing), ("verify_password", verifying)):
            monkeypatch.setattr(f"agentflow_app.{module}.{name}", instead, raising=False)


def looks(answer: httpx.Response, *typed: str) -> tuple[int, dict[str, str], str]:
    """An answer without what is another in each, and what the caller typed."""
    body = answer.text
    for each in typed:
        body = body.replace(each, "…")
    head = {name: value for name, value in answer.headers.items() if name not in VARYING}
    return answer.status_code, {name: head[name] for name in head if not name.startswith("x-ratelimit")}, body
