"""Limits by organization, key, address and account, and what is left of them without Redis."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from agentflow_app.core import ratelimit
from agentflow_app.core.ids import new_id
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.core.redis import redis_client
from agentflow_app.core.settings import Settings, settings
from tests.actors import GREETING, Person, published

HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


@contextmanager
def given(**environment: str) -> Iterator[None]:
    """This process with other settings."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        for cached in (settings, rate_limits):
            cached.cache_clear()
        yield
    for cached in (settings, rate_limits):
        cached.cache_clear()


@asynccontextmanager
async def without_redis(**environment: str) -> AsyncIterator[None]:
    before = redis_client()
    redis_client.cache_clear()
    with given(REDIS_URL="redis://127.0.0.1:1/0", **environment):
        try:
            yield
        finally:
            await redis_client().aclose()
            redis_client.cache_clear()
    await before.aclose()


@asynccontextmanager
async def from_address(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client at an address of its own."""
    part = new_id().hex[-4:]
    transport = httpx.ASGITransport(api, raise_app_exceptions=False, client=(f"2001:4860::{part}", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://agentflow.test/api/v1") as client:
        yield client


async def test_every_answer_tells_what_remains(api: FastAPI, alice: Person) -> None:
    with given(AGENTFLOW_RATE_LIMIT_ORG="50/minute", AGENTFLOW_RATE_LIMIT_ADDRESS="40/minute"):
        first, second = [await alice.client.get("/agents") for _ in range(2)]
        assert [int(first.headers[name]) for name in HEADERS[:2]] == [50, 49]
        assert int(second.headers["X-RateLimit-Remaining"]) == 48
        assert int(second.headers["X-RateLimit-Reset"]) > 1_700_000_000
        async with from_address(api) as stranger:
            for path in ("/agents", "/nothing", "/auth/refresh", "/node-kinds"):
                answer = await stranger.get(path)
                assert answer.headers["X-RateLimit-Limit"] == "40", path


async def test_an_organization_shares_one_limit(alice: Person, bob: Person, mallory: Person) -> None:
    with given(AGENTFLOW_RATE_LIMIT_ORG="2/minute"):
        assert [(await each.client.get("/agents")).status_code for each in (alice, bob, alice)] == [
            200,
            200,
            429,
        ]
        refused = await bob.client.post("/agents", json={"name": "x"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMITED")
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.headers["X-RateLimit-Remaining"] == "0"
        assert (await mallory.client.get("/agents")).status_code == 200


async def test_a_stream_is_counted_like_any_call(alice: Person) -> None:
    with given(AGENTFLOW_RATE_LIMIT_ORG="1/minute"):
        for expected in (404, 429):
            answer = await alice.client.get(f"/executions/{new_id()}/events")
            assert answer.status_code == expected


async def test_a_password_cannot_be_guessed_quickly(api: FastAPI, alice: Person) -> None:
    guess = {"email": alice.actor.email, "password": "wrong"}
    with given(AGENTFLOW_RATE_LIMIT_AUTH="2/minute"):
        async with from_address(api) as one:
            seen = [(await one.post("/auth/login", json=guess)).status_code for _ in range(3)]
        assert seen == [401, 401, 429]
        async with from_address(api) as other:
            elsewhere = await other.post("/auth/login", json=guess | {"email": guess["email"].upper()})
            assert elsewhere.status_code == 429
            nobody = await other.post("/auth/login", json=guess | {"email": "nobody@example.com"})
            assert nobody.status_code == 401


async def test_sessions_are_renewed_by_many_at_one_address(api: FastAPI) -> None:
    with given(AGENTFLOW_RATE_LIMIT_AUTH="1/minute"):
        async with from_address(api) as office:
            for session in ("one", "two", "three"):
                office.cookies.set("agentflow_refresh", session)
                assert (await office.post("/auth/refresh")).status_code == 401
            assert (await office.post("/auth/refresh")).status_code == 429


async def test_who_never_says_who_they_are_is_stopped_before_any_work(
    api: FastAPI, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with given(AGENTFLOW_RATE_LIMIT_ADDRESS="3/minute"):
        async with from_address(api) as stranger:
            seen = [(await stranger.get("/agents")).status_code for _ in range(6)]
            assert (seen[0], seen[-1]) == (401, 429)
            assert (await alice.client.get("/agents")).status_code == 200
            later = ratelimit.time.time() + 3600
            monkeypatch.setattr(ratelimit.time, "time", lambda: later)
            rate_limits().ensure_not_blocked(str(stranger))


async def test_a_plan_bounds_executions(alice: Person) -> None:
    agent_id = await published(alice, GREETING)
    with given(AGENTFLOW_RATE_LIMIT_PLANS='{"starter": "1/day"}'):
        first = await alice.client.post(f"/agents/{agent_id}/execute", json={})
        second = await alice.client.post(f"/agents/{agent_id}/execute", json={})
    assert (first.status_code, second.status_code) == (202, 429)
    assert "starter" in second.json()["error"]["message"]
    assert len((await alice.client.get("/executions")).json()["data"]) == 1


async def test_without_redis_signing_in_stops_and_all_else_is_counted_here(
    anonymous: httpx.AsyncClient, alice: Person
) -> None:
    async with without_redis(AGENTFLOW_RATE_LIMIT_AUTH="10/minute", AGENTFLOW_RATE_LIMIT_ORG="2/minute"):
        login = await anonymous.post("/auth/login", json={"email": alice.actor.email, "password": "x"})
        assert (login.status_code, login.json()["error"]["code"]) == (503, "UNAVAILABLE")
        seen = [(await alice.client.get("/agents")).status_code for _ in range(3)]
        assert seen == [200, 200, 429]


@pytest.mark.parametrize("text", ["ten a minute", "10", "-1/minute", ""])
def test_a_limit_that_is_none_stops_the_start(text: str) -> None:
    with pytest.raises(ValidationError, match="is no rate limit"):
        Settings(rate_limit_org=text)
