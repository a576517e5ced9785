"""Real worker and scheduler processes: a SIGKILL in the middle, a SIGTERM, wake-ups over Redis."""

import asyncio
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlmodel import col

from agentflow_app.core import heartbeats, jobs
from agentflow_app.core.database import database
from agentflow_app.core.models import Heartbeat
from agentflow_app.core.redis import redis_client
from agentflow_app.core.settings import Settings
from agentflow_app.executions import claims
from agentflow_app.executions.stream import follow
from tests.actors import GREETING, REVIEW, Person, definition, ended, node, published
from tests.support.processes import PATIENCE, ROOT, environment_over
from workers import scheduler


@contextmanager
def process(settings: Settings, role: str, **extra: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`agentflow <role>` over the session's services; stopped at the end."""
    environment = environment_over(
        settings, AGENTFLOW_LEASE_SECONDS="3", AGENTFLOW_ALLOWED_PRIVATE_HOSTS="127.0.0.1", **extra
    )
    command = [sys.executable, "-m", "agentflow_app.roles", role]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log) as started,
    ):
        try:
            yield started
        finally:
            if started.poll() is None:
                started.send_signal(signal.SIGTERM)
                started.wait(PATIENCE)
            log.seek(0)
            lines = log.read().decode()
            assert not any(word in lines for word in ("Traceback", '"error"', '"warning"')), lines


class Sink:
    """A local HTTP server that counts what reaches it, by idempotency key."""

    def __init__(self) -> None:
        self.keys: Counter[str] = Counter()
        self.reached = asyncio.Condition()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        await reader.readexactly(int(headers.get("content-length", "0")))
        async with self.reached:
            self.keys[headers["idempotency-key"]] += 1
            self.reached.notify_all()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    async def until(self, count: int) -> None:
        async with self.reached:
            await self.reached.wait_for(lambda: len(self.keys) >= count)


@asynccontextmanager
async def sink() -> AsyncIterator[tuple[Sink, int]]:
    counting = Sink()
    server = await asyncio.start_server(counting.handle, "127.0.0.1", 0)
    async with server:
        yield counting, server.sockets[0].getsockname()[1]


def _ten_calls(port: int) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}/"
    calls = [
        node(f"call{n}", "action.http_request", method="POST", url=url, body={"n": n}) for n in range(10)
    ]
    pauses = [node(f"pause{n}", "logic.delay", seconds=0.1) for n in range(10)]
    chain = [part for pair in zip(calls, pauses, strict=True) for part in pair]
    return definition(node("start", "trigger.manual"), *chain)


async def test_a_killed_worker_costs_no_step_and_doubles_none(
    api: FastAPI, settings: Settings, alice: Person
) -> None:
    async with sink() as (counting, port):
        agent_id = await published(alice, _ten_calls(port))
        accepted = (await alice.client.post(f"/agents/{agent_id}/execute", json={})).json()
        with process(settings, "worker") as first:
            await counting.until(5)
            first.kill()
            first.wait()
        before = [e async for e in _stored(alice, accepted["id"])]
        done = {e["step_id"]: e for e in before if e["type"] == "step.completed"}
        with process(settings, "worker"):
            run = await ended(alice, accepted["id"])
        assert run["status"] == "completed"
        after = [e async for e in follow(alice.actor, UUID(accepted["id"]))]
        completed = Counter(e["node_id"] for e in after if e["type"] == "step.completed")
        assert completed == Counter(f"{kind}{n}" for kind in ("call", "pause") for n in range(10)) + Counter(
            ["start"]
        )
        assert after[: len(before)] == before
        assert len(done) >= 4
        assert len(counting.keys) == 10
        once = [key for key, times in counting.keys.items() if times == 1]
        assert len(once) >= 9, "only the step in flight may have been sent again, under its own key"


async def _stored(person: Person, execution_id: str) -> AsyncIterator[dict[str, Any]]:
    from agentflow_app.executions.service import ExecutionService

    async with database().transaction(person.actor) as tx:
        for event in await ExecutionService(tx, person.actor).events(UUID(execution_id), 0):
            yield event


async def test_a_worker_that_is_told_to_stop_hands_its_runs_back(
    api: FastAPI, settings: Settings, alice: Person
) -> None:
    async with sink() as (counting, port):
        agent_id = await published(alice, _ten_calls(port))
        accepted = (await alice.client.post(f"/agents/{agent_id}/execute", json={})).json()
        with process(settings, "worker") as first:
            await counting.until(3)
            first.send_signal(signal.SIGTERM)
            assert first.wait(PATIENCE) == 0
        assert UUID(accepted["id"]) in await claims.due(10_000)
        with process(settings, "worker"):
            assert (await ended(alice, accepted["id"]))["status"] == "completed"
        assert set(counting.keys.values()) == {1}


async def test_a_killed_worker_forgets_no_approval(api: FastAPI, settings: Settings, alice: Person) -> None:
    agent_id = await published(alice, REVIEW)
    accepted = (await alice.client.post(f"/agents/{agent_id}/execute", json={})).json()
    with process(settings, "worker") as first:
        async for event in follow(alice.actor, UUID(accepted["id"])):
            if event["type"] == "execution.waiting":
                break
        first.kill()
        first.wait()
    answer = await alice.client.post(f"/executions/{accepted['id']}/approve", json={"decision": "rejected"})
    assert answer.status_code == 200
    with process(settings, "worker"):
        run = await ended(alice, accepted["id"])
    assert run["output"]["text"] == "dropped"


async def _pulses(*processes: "subprocess.Popen[bytes]") -> int:
    """How many of these processes are seen to live."""
    async with database().system() as tx:
        names = (await tx.execute(select(col(Heartbeat.process_id)))).scalars().all()
    return sum(any(f":{each.pid}:" in name for name in names) for each in processes)


async def test_the_processes_show_that_they_live(api: FastAPI, settings: Settings) -> None:
    with process(settings, "worker") as worker, process(settings, "scheduler") as ticking:
        while await _pulses(worker, ticking) < 2:  # other processes write them
            await asyncio.sleep(0.05)
        assert all((await heartbeats.alive()).values())
    assert await _pulses(worker, ticking) == 0


async def test_a_flushed_redis_loses_no_run(api: FastAPI, settings: Settings, alice: Person) -> None:
    from agentflow_app.core.redis import redis_client

    agent_id = await published(alice, GREETING)
    accepted = [(await alice.client.post(f"/agents/{agent_id}/execute", json={})).json() for _ in range(5)]
    await redis_client().flushall()
    await scheduler.reconcile()
    with process(settings, "worker"):
        runs = [await ended(alice, each["id"]) for each in accepted]
    assert {run["status"] for run in runs} == {"completed"}


async def test_a_redis_that_is_away_does_not_fail_the_call(
    api: FastAPI, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from redis.exceptions import ConnectionError as RedisDown

    def down(*_: object) -> None:
        raise RedisDown("away")

    monkeypatch.setattr(jobs, "_send", down)
    agent_id = await published(alice, GREETING)
    answer = await alice.client.post(f"/agents/{agent_id}/execute", json={})
    assert answer.status_code == 202
    assert UUID(answer.json()["id"]) in await claims.due(10_000)


async def test_housekeeping_removes_only_what_has_expired(alice: Person) -> None:
    from agentflow_app.core.ids import new_id

    headers = {"Idempotency-Key": new_id().hex}
    first = await alice.client.post("/agents", json={"name": "x"}, headers=headers)
    await scheduler.housekeep()
    again = await alice.client.post("/agents", json={"name": "x"}, headers=headers)
    assert again.json() == first.json()


async def test_two_schedulers_start_each_tick_once(alice: Person, settings: Settings) -> None:
    graph = definition(node("clock", "trigger.schedule", every_seconds=1))
    agent_id = await published(alice, graph)

    async def ticks() -> list[str]:
        runs = (await alice.client.get(f"/agents/{agent_id}/executions?limit=100")).json()["data"]
        return [run["trigger_data"]["scheduled_at"] for run in runs]

    with process(settings, "scheduler"), process(settings, "scheduler"):
        async with asyncio.timeout(PATIENCE):
            while len(await ticks()) < 5:
                await asyncio.sleep(0.2)
        await alice.client.put(f"/agents/{agent_id}/status", json={"status": "paused"})
    found = await ticks()
    assert len(found) == len(set(found))


async def test_the_scheduler_sends_a_lost_wake_up_again(alice: Person) -> None:
    queue = f"{jobs.NAMESPACE}:{jobs.HINTS}"

    async def hinted() -> int:
        while jobs.hints().busy:
            await asyncio.sleep(0.01)
        return int(await redis_client().llen(queue))

    agent_id = await published(alice, GREETING)
    assert (await alice.client.post(f"/agents/{agent_id}/execute", json={})).status_code == 202
    await hinted()
    await redis_client().flushall()
    assert await hinted() == 0
    await scheduler.reconcile()
    assert await hinted() == 1
