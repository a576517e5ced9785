"""A canary in all that alice's organization can hold is in no byte that another organization gets."""

import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from typing import Any
from uuid import UUID

import httpx
import pytest
import reflex as rx
from fastapi import FastAPI

from agentflow_app.executions.stream import follow
from agentflow_app.organizations.exports import write_export
from tests.actors import People, Person, definition, node, published, running, sign_up, unique_email
from tests.core.test_access import TABLE, Row, World, _bearer, _things
from tests.ui.conftest import OpenTab, Tab
from tests.ui.conftest import open_tab as open_tab
from tests.ui.test_handlers import BACKGROUND, Things, send_everything

CANARY = "canary7f3a"
MINE = definition(
    node("start", "trigger.manual"),
    node("tell", "action.template", template=f"{CANARY} {{{{ trigger.data.text }}}}"),
)
ASKING = definition(
    node("start", "trigger.manual"),
    node("ask", "human.approval", message=f"{CANARY}?", show={"text": CANARY}, editable=True),
)
LAST = ("/auth/password", "/auth/logout-everywhere")
"""They end the caller's login, so the rest goes first."""


async def _plant(alice: Person, ids: dict[str, str]) -> None:
    client, agent = alice.client, ids["agent_id"]
    plants: tuple[tuple[str, str, Any], ...] = (
        ("PUT", f"/agents/{agent}", {"name": CANARY, "description": CANARY}),
        ("POST", f"/agents/{agent}/publish", {"definition": MINE}),
        ("POST", f"/agents/{agent}/execute", {"trigger_data": {"text": CANARY}}),
        ("PUT", "/org", {"name": CANARY}),
        ("PUT", "/auth/profile", {"name": CANARY}),
        ("PUT", f"/org/teams/{ids['team_id']}", {"name": f"{CANARY} {agent}"}),
        ("POST", "/org/invitations", {"email": unique_email(CANARY), "role": "viewer"}),
        ("POST", "/org/api-keys", {"name": CANARY, "scopes": ["agents:read"]}),
        ("POST", "/org/secrets", {"name": CANARY.upper(), "value": CANARY, "description": CANARY}),
        ("PUT", f"/org/secrets/{ids['secret_id']}", {"value": CANARY, "description": CANARY}),
        ("POST", "/org/variables", {"name": CANARY, "value": CANARY}),
        ("PUT", f"/org/variables/{ids['variable_id']}", {"value": CANARY}),
        ("PUT", f"/org/credentials/{ids['credential_id']}", {"description": CANARY, "value": CANARY}),
        ("PUT", f"/auth/passkeys/{ids['passkey_id']}", {"name": CANARY}),
        (
            "PUT",
            f"/org/sso/{ids['connection_id']}",
            {
                "name": CANARY,
                "issuer": f"https://{CANARY}.invalid",
                "client_id": CANARY,
                "client_secret": CANARY,
            },
        ),
    )
    for method, path, body in plants:
        answer = await client.request(method, path, json=body)
        assert answer.status_code < 300, (method, path, answer.text)
    ids["execution_id"] = await _asked(alice)


async def _asked(alice: Person) -> str:
    """A run that holds the canary in all it has, and waits for somebody to decide about it."""
    asking = await published(alice, ASKING)
    body = {"trigger_data": {"text": CANARY}}
    run: str = (await alice.client.post(f"/agents/{asking}/execute", json=body)).json()["id"]
    async with running():
        async for event in follow(alice.actor, UUID(run)):
            if event["type"] == "execution.waiting":
                break
    return run


@asynccontextmanager
async def planting(api: FastAPI, people: People) -> AsyncIterator[World]:
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://agentflow.test") as client:
        ids = await _things(api, people)
        await _plant(people.alice, ids)
        await write_export(UUID(ids["export_id"]))
        yield World(people, client, ids)


@pytest.fixture
async def planted(api: FastAPI, people: People) -> AsyncIterator[World]:
    async with planting(api, people) as world:
        yield world


async def things_of(world: World) -> Things:
    """The same as what a page's events name."""
    ids = world.ids
    steps = await world.alice.client.get(f"/executions/{ids['execution_id']}/steps")
    named = {field.name: ids[f"{field.name}_id"] for field in fields(Things) if f"{field.name}_id" in ids}
    return Things(
        **named | {"member": ids["user_id"], "slug": ids["slug"], "step": steps.json()["data"][0]["id"]}
    )


def told_by(answer: httpx.Response) -> bytes:
    """Head and body, and what is packed in it."""
    head = b"\n".join(b"%s: %s" % pair for pair in answer.headers.raw)
    parts = [head, answer.content]
    if answer.headers.get("content-type") == "application/zip":
        with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
            parts += [name.encode() + b"\n" + packed.read(name) for name in packed.namelist()]
    return b"\n".join(parts).lower()


def _order(row: Row) -> tuple[bool, int]:
    """Looks first; what takes the caller's own things away last."""
    ends = row.path.endswith(LAST) or (row.method, row.path) == ("DELETE", "/api/v1/org")
    return ends, ("GET", "POST", "PUT", "DELETE").index(row.method)


async def test_the_canary_is_where_its_owner_looks(planted: World) -> None:
    """Without this, the tests below could look for what was never there."""
    seen = set()
    for row in TABLE:
        if row.method == "GET" and not row.endless:
            answer = await planted.call(row, _bearer(planted.alice.token))
            if CANARY.encode() in told_by(answer):
                seen.add(row.path.removeprefix("/api/v1"))
    things = {"/agents", "/executions", "/org", "/orgs", "/org/teams", "/org/invitations", "/org/api-keys"}
    things |= {"/org/secrets", "/org/variables", "/org/credentials", "/org/sso", "/org/audit-logs"}
    things |= {"/auth/profile", "/auth/passkeys", "/org/members", "/agents/{agent_id}/draft"}
    things |= {"/approvals", "/executions/{execution_id}", "/executions/{execution_id}/steps"}
    things |= {"/org/exports/{export_id}/download", "/auth/privacy/export"}
    assert things <= seen


async def test_no_route_tells_another_organization(api: FastAPI, planted: World) -> None:
    for row in TABLE:
        stranger = await sign_up(api, "stranger")
        answer = await planted.call(row, _bearer(stranger.token))
        assert answer.status_code == row.other, (row.method, row.path, answer.text)
        assert CANARY.encode() not in told_by(answer), (row.method, row.path)
        await stranger.client.aclose()


async def test_no_route_tells_it_beside_the_callers_own_things(
    api: FastAPI, people: People, planted: World
) -> None:
    swapped = replace(people, alice=people.mallory)
    own = replace(planted, people=swapped, ids=await _things(api, swapped))
    await write_export(UUID(own.ids["export_id"]))
    for row in sorted(TABLE, key=_order):
        if not row.endless:
            answer = await own.call(row, _bearer(people.mallory.token))
            assert CANARY.encode() not in told_by(answer), (row.method, row.path)


def _told(tab: Tab) -> str:
    """All that the tab's states hold for the browser, of every page that there is."""
    kinds = [kind for kind in rx.State.get_substates() if kind.__module__.startswith("agentflow_app.")]
    return str([tab.state(kind).dict() for kind in kinds]).lower()


async def test_no_page_tells_another_organization(people: People, planted: World, open_tab: OpenTab) -> None:
    things, ids = await things_of(planted), planted.ids
    for path in (f"/agents/{things.agent}", f"/runs/{things.execution}", f"/invite/{ids['token']}"):
        tab = await open_tab(people.mallory, path)
        answers = await send_everything(tab, things)
        told = _told(tab) + str([getattr(answer, "args", answer) for answer in answers]).lower()
        assert CANARY not in told, path
    tab = await open_tab(people.alice, f"/agents/{things.agent}")
    for kind in {state for state in rx.State.get_substates() if "load" in state.event_handlers}:
        if (kind, "load") not in BACKGROUND:
            await tab.send(kind, "load")
    assert CANARY in _told(tab)
