"""People with logins of their own, and the letters that the app would have sent them."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import select
from sqlmodel import col

from agentflow_app.accounts.models import User
from agentflow_app.audit.models import AuditLog
from agentflow_app.core.crypto import cell, unseal
from agentflow_app.core.database import database
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.core.serialization import loads
from agentflow_app.core.settings import settings as current_settings
from agentflow_app.mail.models import OutgoingMail
from tests.actors import PASSWORD, Person

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"


@dataclass
class Browser:
    """A client that keeps its cookies, with the access token that it got."""

    client: httpx.AsyncClient
    email: str
    token: str = ""

    async def log_in(self, password: str = PASSWORD, session: str = "token") -> httpx.Response:
        body = {"email": self.email, "password": password}
        return self._keep(await self.client.post(f"/auth/login?session={session}", json=body))

    async def second_step(self, answer: httpx.Response, **given: Any) -> httpx.Response:
        body = {"challenge": answer.json()["error"]["details"]["challenge"], **given}
        return self._keep(await self.client.post("/auth/login/second-factor", json=body))

    def _keep(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code == 200:
            self.token = answer.json()["access_token"]
        return answer

    async def call(self, method: str, path: str, **body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.client.request(method, f"/auth{path}", json=body or None, headers=headers)


@pytest.fixture
async def open_browser(api: FastAPI, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setattr(current_settings(), "rate_limit_auth", "off")
    opened: list[httpx.AsyncClient] = []

    def opening(person: Person) -> Browser:
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(api, raise_app_exceptions=False),
            base_url="http://agentflow.test/api/v1",
            headers={"User-Agent": CHROME},
        )
        opened.append(client)
        return Browser(client, person.actor.email)

    yield opening
    rate_limits.cache_clear()
    for client in opened:
        await client.aclose()


@pytest.fixture
def post_office(api: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters are written, though nobody fetches them."""
    monkeypatch.setattr(current_settings(), "smtp_url", SecretStr("smtp://localhost:1"))
    monkeypatch.setattr(current_settings(), "mail_from", "robot@example.com")


async def letters_to(email: str) -> list[dict[str, str]]:
    async with database().system() as tx:
        waiting = (
            await tx.execute(select(OutgoingMail).where(col(OutgoingMail.letter).is_not(None)))
        ).scalars()
        opened = [
            loads(await unseal(each.letter or b"", cell("mail_outbox", "letter", each.id)))
            for each in sorted(waiting, key=lambda each: each.created_at)
        ]
    return [letter for letter in opened if letter["to"] == email]


async def link_to(email: str) -> str:
    """What the newest letter's link carries."""
    found = re.search(r"/#(\S+)", (await letters_to(email))[-1]["text"])
    assert found
    return found.group(1)


async def audited(person: Person) -> list[str]:
    async with database().transaction(person.actor) as tx:
        query = (
            select(col(AuditLog.action))
            .where(col(AuditLog.user_id) == person.actor.user_id)
            .order_by(col(AuditLog.created_at), col(AuditLog.id))
        )
        return list((await tx.execute(query)).scalars())


async def stored(person: Person) -> User:
    async with database().system() as tx:
        found = await tx.get(User, person.actor.user_id)
        assert found is not None
        return found
