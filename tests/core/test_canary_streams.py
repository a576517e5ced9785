"""What is told as it happens, over sockets, event streams and live pages, tells no other organization."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from types import MethodType
from typing import Any

import httpx
import pytest
import reflex as rx
from fastapi import FastAPI
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from agentflow_app.core.errors import AppError
from agentflow_app.executions.stream import watch
from agentflow_app.ui.executions.live import Live
from agentflow_app.ui.executions.state import Run, Runs
from agentflow_app.ui.home.state import Home
from agentflow_app.ui.organizations import danger_state
from agentflow_app.ui.organizations.danger_state import Danger
from tests.actors import GREETING, Person, ended, published, running, sign_up
from tests.core.test_access import World, _bearer, _key
from tests.core.test_canary import CANARY, MINE, _told, told_by
from tests.core.test_canary import planted as planted
from tests.executions.test_stream import _expired, _url
from tests.executions.test_stream import address as address
from tests.ui.conftest import OpenTab, Tab
from tests.ui.conftest import open_tab as open_tab
from tests.ui.test_handlers import BACKGROUND


async def _heard(url: str, **options: Any) -> tuple[int | None, str]:
    """What the server closes with, and all that it says from its first header to that."""
    first = options.pop("first", None)
    async with asyncio.timeout(120), connect(url, **options) as ws:
        assert ws.response is not None
        told = [str(list(ws.response.headers.raw_items()))]
        with suppress(ConnectionClosed):
            if first is not None:
                await ws.send(first)
            async for message in ws:
                told.append(str(message))
        return ws.close_code, f"{told} {ws.close_reason}".lower()


async def test_a_refused_socket_says_nothing(api: FastAPI, planted: World, address: str) -> None:
    run, alice, mallory = planted.ids["execution_id"], planted.alice, planted.mallory
    stranger = await sign_up(api, "stranger")
    good, bearer = Subprotocol(alice.token), Subprotocol("bearer")
    evil = {"origin": Origin("https://evil.example")}
    tries: list[tuple[int, dict[str, Any]]] = [
        (4401, {"first": "{}"}),
        (4401, {"first": json.dumps({"token": CANARY})}),
        (4401, {"first": json.dumps({"token": _expired(alice)})}),
        (4401, {"first": "{}", "subprotocols": [good, bearer]}),
        (4403, {"subprotocols": [bearer, good], **evil}),
        (4403, {"additional_headers": _bearer(alice.token), **evil}),
        (4403, {"additional_headers": _bearer(await _key(alice))}),
    ]
    for person in (mallory, stranger):
        tries.append((4404, {"first": json.dumps({"token": person.token})}))
        tries.append((4404, {"subprotocols": [bearer, Subprotocol(person.token)]}))
        key = await _key(person, "executions:read", "executions:write", "agents:read")
        tries.append((4404, {"additional_headers": _bearer(key)}))
    for expected, options in tries:
        for after in (0, 1):
            code, told = await _heard(_url(address, run, after), **options)
            assert (code, CANARY in told) == (expected, False), (options, told)
    await stranger.client.aclose()


async def test_a_refused_event_stream_says_nothing(planted: World, address: str) -> None:
    url = f"http://{address}/api/v1/executions/{planted.ids['execution_id']}/events"
    key = await _key(planted.mallory, "executions:read")
    for expected, headers in (
        (401, {}),
        (401, {"Cookie": f"agentflow_session={planted.alice.token}"}),
        (401, _bearer(_expired(planted.alice))),
        (403, _bearer(await _key(planted.alice))),
        (404, _bearer(planted.mallory.token)),
        (404, _bearer(key)),
        (404, {"X-API-Key": key}),
    ):
        for more in ({}, {"Last-Event-ID": "1"}):
            async with httpx.AsyncClient(timeout=120) as client:
                answer = await client.get(url, headers={**headers, **more})
            assert answer.status_code == expected, headers
            assert CANARY.encode() not in told_by(answer), headers


async def _start(person: Person, graph: dict[str, Any], text: str) -> str:
    agent = await published(person, graph)
    body = {"trigger_data": {"text": text, "name": text}}
    run: str = (await person.client.post(f"/agents/{agent}/execute", json=body)).json()["id"]
    return run


async def test_ones_own_stream_carries_ones_own_alone(planted: World, address: str) -> None:
    """Both organizations' runs go through one worker and one hub, while both are listened to."""
    hers, own = await _start(planted.alice, MINE, CANARY), await _start(planted.mallory, GREETING, "mine")
    events = f"http://{address}/api/v1/executions/{own}/events"
    first = {person: json.dumps({"token": person.token}) for person in (planted.alice, planted.mallory)}
    async with httpx.AsyncClient(timeout=120, headers=_bearer(planted.mallory.token)) as client, running():
        (her_code, her_told), (code, told), streamed = await asyncio.gather(
            _heard(_url(address, hers), first=first[planted.alice]),
            _heard(_url(address, own), first=first[planted.mallory]),
            client.get(events),
        )
    assert (her_code, CANARY in her_told) == (1000, True)
    assert (code, "hello mine" in told, CANARY in told, hers in told) == (1000, True, False, False)
    assert b"hello mine" in told_by(streamed)
    assert CANARY.encode() not in told_by(streamed)


async def test_an_organization_hears_of_its_own_runs_alone(planted: World) -> None:
    async def listen(heard: asyncio.Queue[str]) -> None:
        async with aclosing(watch(planted.mallory.actor)) as ids:  # type: ignore[type-var]
            async for each in ids:
                heard.put_nowait(each)

    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = asyncio.create_task(listen(heard))
    try:
        async with asyncio.timeout(120), running():
            told: set[str] = set()
            while not told:  # it is heard from when the subscription stands
                hers = await _start(planted.alice, MINE, CANARY)
                own = await _start(planted.mallory, GREETING, "mine")
                await ended(planted.alice, hers)
                await ended(planted.mallory, own)
                while not heard.empty():
                    told.add(heard.get_nowait())
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
    assert hers not in told
    mine = (await planted.mallory.client.get("/executions?limit=100")).json()["data"]
    assert told <= {run["id"] for run in mine}


class Watching:
    """A state as a background handler has it: locked only while it assigns."""

    def __init__(self, state: rx.State) -> None:
        vars(self)["state"] = state

    async def __aenter__(self) -> "Watching":
        return self

    async def __aexit__(self, *exception: object) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        found = getattr(vars(self)["state"], name)
        return MethodType(found.__func__, self) if isinstance(found, MethodType) else found

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(vars(self)["state"], name, value)


async def _follow(tab: Tab, kind: type[rx.State], handler: str) -> Any:
    return await kind.event_handlers[handler].fn(Watching(tab.state(kind)))


async def _until(found: Callable[[], bool]) -> AsyncIterator[None]:
    async with asyncio.timeout(120):
        while not found():
            yield


@pytest.mark.parametrize(("kind", "path"), [(Home, "/"), (Runs, "/runs")])
async def test_a_live_page_shows_ones_own_alone(
    planted: World, open_tab: OpenTab, kind: type[rx.State], path: str
) -> None:
    pages = [await open_tab(person, path) for person in (planted.mallory, planted.alice)]
    followers = []
    for tab in pages:
        await tab.send(kind, "load")
        followers.append(asyncio.create_task(_follow(tab, kind, "watch")))
    mallory, alice = pages
    try:
        async with running():
            async for _ in _until(lambda: all("completed" in str(tab.state(kind).dict()) for tab in pages)):
                hers = await _start(planted.alice, MINE, CANARY)
                await ended(planted.mallory, await _start(planted.mallory, GREETING, "mine"))
                await ended(planted.alice, hers)
    finally:
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)
    assert CANARY in _told(alice)
    assert CANARY not in _told(mallory)
    assert planted.ids["execution_id"] not in _told(mallory)


async def test_a_page_that_points_at_anothers_follows_nothing(
    planted: World, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`setvar` lets a client point the state wherever it likes; then the background handlers start."""
    monkeypatch.setattr(danger_state, "FOLLOW_SECONDS", 0.01)
    monkeypatch.setattr(danger_state, "FOLLOWED", 3)
    tab = await open_tab(planted.mallory, f"/runs/{planted.ids['execution_id']}")
    await tab.send(Run, "load")
    live, danger = tab.state(Live), tab.state(Danger)
    live.run.id, live.run.agent_id = planted.ids["execution_id"], planted.ids["agent_id"]
    live.detail.id = planted.ids["execution_id"]
    danger.pending, danger.owner = True, True
    assert {name for _, name in BACKGROUND} == {"follow", "watch"}
    with pytest.raises(AppError):
        await _follow(tab, Live, "follow")
    await _follow(tab, Danger, "follow")
    told = _told(tab)
    assert CANARY not in told
    assert planted.ids["export_id"] not in told


async def test_without_a_session_no_page_follows(
    planted: World, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(danger_state, "FOLLOW_SECONDS", 0.01)
    for cookie in ("", "agentflow_session=made-up"):
        tab = await open_tab(None, f"/runs/{planted.ids['execution_id']}", cookie=cookie)
        tab.state(Live).run.id = planted.ids["execution_id"]
        tab.state(Danger).pending = True
        for kind, handler in sorted(BACKGROUND, key=str):
            async with asyncio.timeout(120):
                await _follow(tab, kind, handler)
        assert CANARY not in _told(tab)
