"""The people of every test: alice (owner), carol (admin), erin (editor) and bob (viewer) in her organization,
mallory (owner of another)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any
from uuid import UUID

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from agentflow_app.accounts.models import User
from agentflow_app.accounts.tokens import issue_access_token
from agentflow_app.api import create_api
from agentflow_app.core.database import close_database, database
from agentflow_app.core.events import close_event_hub
from agentflow_app.core.ids import new_id
from agentflow_app.core.lanes import close_lanes
from agentflow_app.core.redis import close_redis
from agentflow_app.core.settings import Settings
from agentflow_app.core.settings import settings as current_settings
from agentflow_app.core.tenancy import Actor, Role
from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.organizations.models import Membership, Organization
from agentflow_app.providers.service import close_models
from engine.testing import LocalEgress

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Person:
    """Someone who is logged in, with a client that sends the access token."""

    actor: Actor
    token: str
    client: httpx.AsyncClient

    @property
    def org_id(self) -> UUID:
        return self.actor.org_id


@dataclass(frozen=True)
class People:
    alice: Person
    bob: Person
    mallory: Person
    carol: Person
    erin: Person


@pytest.fixture(scope="session")
async def api(settings: Settings) -> AsyncIterator[FastAPI]:
    yield create_api(settings)
    await close_event_hub()
    await close_models()
    await close_redis()
    await close_lanes()
    await close_database()


@pytest.fixture
async def anonymous(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with _client(api) as client:
        yield client


def _client(api: FastAPI, token: str | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(api, raise_app_exceptions=False),
        base_url="http://agentflow.test/api/v1",
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )


def unique_email(name: str) -> str:
    return f"{name}-{new_id().hex[-12:]}@example.com"


@cache
def password_hash() -> str:
    return PasswordHasher().hash(PASSWORD)


async def sign_up(api: FastAPI, name: str) -> Person:
    """A new person with an organization of their own, without the sample agent."""
    org_id = new_id()
    async with database().system() as tx:
        tx.add(Organization(id=org_id, name=f"{name}'s", slug=org_id.hex))
    return await _member(api, org_id, f"{name}'s", name, "owner")


async def join(api: FastAPI, owner: Person, name: str, role: Role) -> Person:
    """A new person in `owner`'s organization."""
    return await _member(api, owner.org_id, owner.actor.org_name, name, role)


async def _member(api: FastAPI, org_id: UUID, org_name: str, name: str, role: Role) -> Person:
    async with database().system() as tx:
        user = User(email=unique_email(name), name=name.title(), password_hash=password_hash())
        tx.add(user)
        await tx.flush()
        tx.add(Membership(user_id=user.id, org_id=org_id, role=role))
    token = issue_access_token(user.id, org_id, new_id())
    return Person(Actor(user.id, org_id, role, user.email, user.name, org_name), token, _client(api, token))


@asynccontextmanager
async def new_people(api: FastAPI) -> AsyncIterator[People]:
    alice = await sign_up(api, "alice")
    bob = await join(api, alice, "bob", "viewer")
    mallory = await sign_up(api, "mallory")
    carol = await join(api, alice, "carol", "admin")
    erin = await join(api, alice, "erin", "editor")
    yield People(alice, bob, mallory, carol, erin)
    for person in (alice, bob, mallory, carol, erin):
        await person.client.aclose()


@pytest.fixture
async def people(api: FastAPI) -> AsyncIterator[People]:
    async with new_people(api) as found:
        yield found


@pytest.fixture
def alice(people: People) -> Person:
    return people.alice


@pytest.fixture
def bob(people: People) -> Person:
    return people.bob


@pytest.fixture
def mallory(people: People) -> Person:
    return people.mallory


@pytest.fixture
def carol(people: People) -> Person:
    return people.carol


@pytest.fixture
def erin(people: People) -> Person:
    return people.erin


@asynccontextmanager
async def running(owner: str = "test-worker") -> AsyncIterator[ExecutionRuntime]:
    """A worker's runtime in this process."""
    quick = current_settings().model_copy(update={"reconcile_seconds": 0.05, "poll_seconds": 0.05})
    runtime = ExecutionRuntime(owner, quick)
    runtime.start()
    try:
        yield runtime
    finally:
        await runtime.stop()


@pytest.fixture
async def runtime(api: FastAPI) -> AsyncIterator[ExecutionRuntime]:
    async with running() as started:
        yield started


@pytest.fixture
async def local_egress(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalEgress]:
    """Runs reach this machine only, whatever name they call it by."""
    local = LocalEgress()
    monkeypatch.setattr("agentflow_app.executions.runtime.egress", lambda: local)
    yield local
    await local.aclose()


def definition(*nodes: dict[str, Any], edges: list[tuple[str, ...]] | None = None) -> dict[str, Any]:
    """A graph: nodes in a chain unless `edges` (source, target[, handle]) say otherwise."""
    pairs = edges if edges is not None else [(a["id"], b["id"]) for a, b in pairwise(nodes)]
    return {
        "schema_version": 1,
        "nodes": list(nodes),
        "edges": [
            {"id": f"e{place}", "source": pair[0], "target": pair[1]}
            | ({"source_handle": pair[2]} if len(pair) > 2 else {})
            for place, pair in enumerate(pairs)
        ],
    }


def node(node_id: str, kind: str, **config: Any) -> dict[str, Any]:
    type_, _, subtype = kind.partition(".")
    return {"id": node_id, "type": type_, "subtype": subtype, "config": config}


GREETING = definition(
    node("start", "trigger.manual"),
    node("greet", "action.template", template="Hello {{ trigger.data.name | default('you') }}"),
)
REVIEW = definition(
    node("start", "trigger.manual"),
    node("review", "human.approval", message="Send it?", show={"text": "hi"}, editable=True),
    node("sent", "action.template", template="sent {{ node_review.output.data.text }}"),
    node("dropped", "action.template", template="dropped"),
    edges=[("start", "review"), ("review", "sent", "approved"), ("review", "dropped", "rejected")],
)


async def published(person: Person, graph: dict[str, Any], **fields: Any) -> str:
    """The id of a new agent of the person's whose live version is `graph`."""
    made = await person.client.post("/agents", json={"name": "Agent", **fields})
    assert made.status_code == 201, made.text
    agent_id: str = made.json()["id"]
    live = await person.client.post(f"/agents/{agent_id}/publish", json={"definition": graph})
    assert live.status_code == 201, live.text
    return agent_id


async def ended(person: Person, execution_id: str) -> dict[str, Any]:
    """The execution once it is over."""
    from agentflow_app.executions.stream import wait_for_end

    await wait_for_end(person.actor, UUID(execution_id))
    found: dict[str, Any] = (await person.client.get(f"/executions/{execution_id}")).json()
    return found
