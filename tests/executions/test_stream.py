"""The event stream over WebSocket and server-sent events: no gap, no duplicate, refusals with their codes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from granian.constants import Interfaces
from granian.server.embed import Server
from joserfc import jwt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from agentflow_app.accounts import tokens
from agentflow_app.accounts.sessions import Identity, end_sessions, open_refresh
from agentflow_app.accounts.tokens import issue_access_token
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import database
from agentflow_app.core.events import event_hub
from agentflow_app.core.ids import new_id
from agentflow_app.core.redis import redis_client
from agentflow_app.executions import stream
from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.executions.stream import follow, watch
from tests.actors import GREETING, REVIEW, Person, definition, ended, join, node, published, running
from tests.support.processes import free_port


@pytest.fixture(scope="module")
async def address(api: FastAPI) -> AsyncIterator[str]:
    """Host and port of the API behind a real server."""
    port = free_port()
    server = Server(api, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False)
    task = asyncio.create_task(server.serve())
    async with httpx.AsyncClient() as client:
        while True:
            try:
                await client.get(f"http://127.0.0.1:{port}/healthz")
                break
            except httpx.TransportError:
                await asyncio.sleep(0.02)
    yield f"127.0.0.1:{port}"
    server.stop()
    await task


async def _run(person: Person, graph: dict[str, Any]) -> str:
    agent_id = await published(person, graph)
    execution_id: str = (await person.client.post(f"/agents/{agent_id}/execute", json={})).json()["id"]
    return execution_id


def _url(address: str, execution_id: str, after: int | str = 0) -> str:
    return f"ws://{address}/api/v1/executions/{execution_id}/stream?after={after}"


async def _all(socket: ClientConnection) -> list[dict[str, Any]]:
    """Every message until the server closes."""
    return [json.loads(message) async for message in socket]


async def _close_code(socket: ClientConnection) -> int | None:
    """What the server closes with."""
    with suppress(ConnectionClosed):
        async for _ in socket:
            pass
    return socket.close_code


async def test_the_stream_replays_then_follows_then_closes(
    alice: Person, address: str, runtime: ExecutionRuntime
) -> None:
    execution_id = await _run(alice, REVIEW)
    async with connect(
        _url(address, execution_id), subprotocols=[Subprotocol("bearer"), Subprotocol(alice.token)]
    ) as ws:
        assert ws.subprotocol == "bearer"
        events = []
        async for message in ws:
            events.append(json.loads(message))
            if events[-1]["type"] == "execution.waiting":
                await alice.client.post(f"/executions/{execution_id}/approve", json={"decision": "approved"})
        assert ws.close_code == 1000
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == "execution.completed"
    assert "execution.resumed" in [e["type"] for e in events]
    for after in range(len(events) + 1):
        async with connect(_url(address, execution_id, after)) as ws:
            await ws.send(json.dumps({"token": alice.token}))
            assert await _all(ws) == events[after:]
            assert ws.close_code == 1000


async def test_refusals_close_with_their_code(
    alice: Person, bob: Person, mallory: Person, address: str
) -> None:
    execution_id = await _run(alice, GREETING)
    for token, wanted, code in (
        ("nonsense", execution_id, 4401),
        (mallory.token, execution_id, 4404),
        (alice.token, str(new_id()), 4404),
        (alice.token, "not-an-id", 4404),
    ):
        async with connect(_url(address, wanted)) as ws:
            await ws.send(json.dumps({"token": token}))
            assert await _close_code(ws) == code
    for first in ("not json", "[]", '{"token": 1}'):
        async with connect(_url(address, execution_id)) as ws:
            await ws.send(first)
            assert await _close_code(ws) == 4401
    async with connect(_url(address, execution_id, "x")) as ws:
        await ws.send(json.dumps({"token": alice.token}))
        assert await _close_code(ws) == 4404


def _expired(person: Person) -> str:
    now = int(utcnow().timestamp())
    claims = {"iss": "agentflow", "sub": str(person.actor.user_id), "org": str(person.org_id)}
    times = {"iat": now - 901, "at": now - 901, "exp": now - 1}
    return jwt.encode({"alg": "HS256", "typ": "at+jwt"}, {**claims, **times}, tokens._key())


async def test_no_other_way_leads_to_the_stream(alice: Person, address: str) -> None:
    """A token in the address, a cookie, another protocol or one that has run out: all as good as none."""
    execution_id = await _run(alice, GREETING)
    good, past = Subprotocol(alice.token), Subprotocol(_expired(alice))
    bearer, other = Subprotocol("bearer"), Subprotocol("graphql-ws")
    url = _url(address, execution_id)
    ways: tuple[tuple[str, dict[str, str], list[Subprotocol] | None], ...] = (
        (f"{url}&token={alice.token}", {}, None),
        (f"{url}&access_token={alice.token}", {}, None),
        (url, {"Cookie": f"access_token={alice.token}; agentflow_session={alice.token}"}, None),
        (url, {"Authorization": f"Basic {alice.token}"}, None),
        (url, {"Authorization": f"Bearer {past}"}, None),
        (url, {}, [bearer, past]),
    )
    for wanted, headers, offered in ways:
        async with connect(wanted, additional_headers=headers, subprotocols=offered) as ws:
            with suppress(ConnectionClosed):
                await ws.send("{}")
            assert await _close_code(ws) == 4401, (wanted, headers)
    for offered in ([other, good], [good, bearer], [bearer, good, other]):
        async with connect(url, subprotocols=offered) as ws:
            assert ws.subprotocol is None
            with suppress(ConnectionClosed):
                await ws.send("{}")
            assert await _close_code(ws) == 4401, offered
    events = f"http://{address}/api/v1/executions/{execution_id}/events"
    async with httpx.AsyncClient() as client:
        for asked, headers in (
            (f"{events}?token={alice.token}", {}),
            (f"{events}?access_token={alice.token}", {}),
            (events, {"Authorization": f"Bearer {past}"}),
            (events, {"Cookie": f"agentflow_session={alice.token}"}),
        ):
            assert (await client.get(asked, headers=headers)).status_code == 401, (asked, headers)


async def test_who_lost_their_access_hears_nothing(
    api: FastAPI, alice: Person, bob: Person, address: str
) -> None:
    execution_id = await _run(alice, GREETING)
    gone, out = await join(api, alice, "gone", "editor"), await join(api, alice, "out", "editor")
    session = Identity(bob.actor.user_id or new_id(), alice.org_id, new_id())
    async with database().system() as tx:
        await open_refresh(tx, session)
    revoked = issue_access_token(session.user_id, session.org_id, session.session_id)
    async with database().system() as tx:
        await end_sessions(tx, session.user_id, only=session.session_id)
    path = f"/org/members/{gone.actor.user_id}/status"
    await alice.client.put(path, json={"status": "deactivated"})
    await alice.client.delete(f"/org/members/{out.actor.user_id}")
    for token in (revoked, gone.token, out.token):
        async with asyncio.timeout(60), connect(_url(address, execution_id)) as ws:
            await ws.send(json.dumps({"token": token}))
            assert await _close_code(ws) == 4401
        events = f"http://{address}/api/v1/executions/{execution_id}/events"
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(headers=headers) as client, client.stream("GET", events) as answer:
            assert answer.status_code == 401


async def test_odd_messages_and_numbers_end_no_stream_badly(alice: Person, address: str) -> None:
    execution_id = await _run(alice, GREETING)
    token = json.dumps({"token": alice.token})
    for after in ("9" * 5000, "3000000000", "-1", "\u0663"):
        async with connect(_url(address, execution_id, quote(after))) as ws:
            await ws.send(token)
            assert await _close_code(ws) == 4404
    async with connect(_url(address, execution_id)) as ws:
        await ws.send(token)
        for message in (b"\xff\xfe", "[" * 10_000, "", token):
            await ws.send(message)
        async with running():
            events = await _all(ws)
        assert ws.close_code == 1000
    assert events[-1]["type"] == "execution.completed"
    async with connect(_url(address, execution_id)) as ws:
        await ws.send(b"\x00")
        assert await _close_code(ws) == 4401


async def test_a_foreign_origin_is_refused(alice: Person, address: str) -> None:
    execution_id = await _run(alice, GREETING)
    headers = {"Authorization": f"Bearer {alice.token}"}
    async with connect(
        _url(address, execution_id), additional_headers=headers, origin="https://evil.example"
    ) as ws:  # type: ignore[arg-type]
        assert await _close_code(ws) == 4403


async def test_server_sent_events_carry_the_same(
    alice: Person, address: str, runtime: ExecutionRuntime
) -> None:
    execution_id = await _run(alice, GREETING)
    await ended(alice, execution_id)
    events = [event async for event in follow(alice.actor, UUID(execution_id))]
    url = f"http://{address}/api/v1/executions/{execution_id}/events"
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {alice.token}"}) as client:
        whole = await client.get(url)
        rest = await client.get(url, headers={"Last-Event-ID": "2"})
        assert (await client.get(url, headers={"Authorization": "Bearer x"})).status_code == 401
    assert whole.headers["content-type"].startswith("text/event-stream")

    def parsed(text: str) -> list[dict[str, Any]]:
        return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]

    assert parsed(whole.text) == events
    assert parsed(rest.text) == events[2:]
    assert "id: 1\nevent: execution.started\n" in whole.text


async def test_lost_and_repeated_notices_leave_no_gap(
    alice: Person, runtime: ExecutionRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis drops some notices and repeats others; subscribers still get each event once."""
    from agentflow_app.core import events as hub

    monkeypatch.setattr(stream, "RECHECK_SECONDS", 0.1)
    publish = hub.publish
    count = 0

    async def unreliable(notices: list[tuple[str, Any]]) -> None:
        nonlocal count
        count += 1
        if count % 2:
            await publish(notices * 2)

    monkeypatch.setattr(hub, "publish", unreliable)
    graph = definition(
        node("start", "trigger.manual"),
        *(node(f"wait{n}", "logic.delay", seconds=0.01) for n in range(8)),
    )
    execution_id = await _run(alice, graph)
    followers = [[e async for e in follow(alice.actor, UUID(execution_id))] for _ in range(1)]
    events = followers[0]
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == "execution.completed"


async def test_the_hub_reconnects(alice: Person, runtime: ExecutionRuntime) -> None:
    """Its connection is cut; new notices still arrive."""
    watcher = watch(alice.actor)
    first = asyncio.ensure_future(anext(watcher))
    await _run(alice, GREETING)
    await first
    await redis_client().client_kill_filter(_type="pubsub")  # type: ignore[no-untyped-call]
    second = asyncio.ensure_future(anext(watcher))
    while not second.done():
        await _run(alice, GREETING)
        await asyncio.sleep(0.2)
    await watcher.aclose()  # type: ignore[attr-defined]
    assert await second


async def test_a_slow_reader_is_told_that_it_missed_something() -> None:
    from agentflow_app.core.events import BUFFER, Subscription

    mailbox = Subscription()
    for number in range(BUFFER + 5):
        mailbox.put(number)
    assert mailbox.lagged
    assert await mailbox.get(0.01) == BUFFER
    assert event_hub() is event_hub()


async def test_a_viewer_may_watch(alice: Person, bob: Person, runtime: ExecutionRuntime) -> None:
    execution_id = await _run(alice, GREETING)
    events = [event async for event in follow(bob.actor, UUID(execution_id))]
    assert events[-1]["type"] == "execution.completed"
