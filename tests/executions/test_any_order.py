"""Whatever happens, in whichever order: starts, workers that die or sleep, answers, cancels, new versions.

A Hypothesis state machine over the real journal and claims, with the rules of `agentflow doctor --invariants`
after each step of it. `make test` tries a few orders by the seed, `make chaos` many.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from agentflow_app.core.redis import redis_client
from agentflow_app.executions.stream import follow
from agentflow_app.invariants import breaches, broken_rules
from tests.actors import Person, published
from tests.executions.stepped_worker import SteppedWorker
from tests.support.counting import Sink
from tests.support.effort import SEED, THOROUGH
from tests.support.event_order import contradictions
from tests.support.mixed_graphs import MIXED
from tests.support.outside import ENDED, Outside
from tests.support.processes import PATIENCE

URL = "http://sink.test"
NAP = 3600.0
"""Seconds: passed over by a rule, never waited for."""
GRAPHS = sorted(MIXED)
T = TypeVar("T")
index = st.integers(0, 10)


class Orders(RuleBasedStateMachine):
    """The rules run in a thread of Hypothesis', what they do on the loop of the test.

    A rule that finds nothing to do does nothing. It has no precondition, because when a worker is done is a
    matter of time, and Hypothesis wants to draw the same twice.
    """

    loop: asyncio.AbstractEventLoop
    world: Outside

    def __init__(self) -> None:
        super().__init__()
        self.sink = self.world.sink
        self.workers: list[SteppedWorker] = []
        self.late: list[SteppedWorker] = []
        """Who lost their lease and do not know it yet."""
        self.runs: list[str] = []
        self.interruptions: dict[str, int] = {}
        self.cancelled: set[str] = set()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def some(self, place: int) -> str:
        return self.runs[place % len(self.runs)]

    @initialize(name=st.sampled_from(GRAPHS))
    def begin(self, name: str) -> None:
        # An order that went wrong leaves nothing for the next, which is a shorter one of the same kind.
        with psycopg.connect(self.world.owner_url, autocommit=True) as connection:
            for table in ("executions", "usage_records"):
                statement = f"DELETE FROM {table} WHERE org_id = %s"
                connection.execute(statement.encode(), (self.world.person.org_id,))
        self.agent = self.do(published(self.world.person, MIXED[name](URL, NAP).to_json()))
        self.published = MIXED[name]
        self.start("")
        self.claim()

    @rule(key=st.sampled_from(["", "k1", "k2"]))
    def start(self, key: str) -> None:
        headers = {"Idempotency-Key": f"{self.agent}-{key}"} if key else {}
        answer = self.call("POST", f"/agents/{self.agent}/execute", {"trigger_data": {"n": 1}}, headers)
        if answer.status_code == 202 and answer.json()["id"] not in self.runs:
            self.runs.append(answer.json()["id"])
        else:
            assert key or answer.status_code == 409, answer.text

    @rule()
    def claim(self) -> None:
        self.workers += self.do(SteppedWorker.claim(self.sink, set(self.runs)))

    @rule(place=index, steps=st.integers(1, 6))
    def step(self, place: int, steps: int) -> None:
        """So many writes of the journal, and all that lies between them."""
        if not self.workers:
            return
        worker = self.workers[place % len(self.workers)]
        for _ in range(steps):
            self.do(worker.step())
        self.retire(worker)

    @rule(place=index)
    def crash(self, place: int) -> None:
        if not self.workers:
            return
        worker = self.workers.pop(place % len(self.workers))
        self.interrupted(worker.run_id)
        self.do(worker.crash())
        self.expire(worker.run_id)

    @rule(place=index)
    def sleep_over_the_lease(self, place: int) -> None:
        if not self.workers:
            return
        worker = self.workers.pop(place % len(self.workers))
        self.interrupted(worker.run_id)
        self.expire(worker.run_id)
        self.late.append(worker)

    @rule(place=index)
    def wake_up_late(self, place: int) -> None:
        """If somebody else has the run, nothing that the late one writes gets in."""
        if not self.late:
            return
        worker = self.late.pop(place % len(self.late))
        before, written = self.state_of(worker.run_id), worker.writes
        taken = before[0] != worker.epoch
        for _ in range(3):
            self.do(worker.step())
        if taken:
            assert (self.state_of(worker.run_id), worker.writes) == (before, written)
            assert not worker.done or worker.fenced
        self.do(worker.crash())
        if not taken:
            self.expire(worker.run_id)

    @rule(place=index)
    def poll(self, place: int) -> None:
        if not self.workers:
            return
        worker = self.workers[place % len(self.workers)]
        self.do(worker.poll())
        self.retire(worker)

    @rule(place=index)
    def renew(self, place: int) -> None:
        if not self.workers:
            return
        worker = self.workers[place % len(self.workers)]
        assert self.do(worker.renew()), "a lease that nobody took is kept"

    @rule(place=index)
    def hand_back(self, place: int) -> None:
        if not self.workers:
            return
        worker = self.workers.pop(place % len(self.workers))
        self.interrupted(worker.run_id)
        self.do(worker.hand_back())

    @rule(place=index)
    def answer_what_waits(self, place: int) -> None:
        if not self.runs:
            return
        self.do(self.world.look(self.some(place)))

    @rule(place=index, decision=st.sampled_from(["approved", "rejected"]))
    def decide(self, place: int, decision: str) -> None:
        if not self.runs:
            return
        run_id = self.some(place)
        first = self.call("POST", f"/executions/{run_id}/approve", {"decision": decision})
        assert first.status_code in (200, 409), first.text
        again = self.call("POST", f"/executions/{run_id}/approve", {"decision": decision})
        assert again.status_code == 409, again.text

    @rule(place=index)
    def time_passes(self, place: int) -> None:
        if not self.runs:
            return
        self.move("execution_steps", "wait_until", "execution_id", self.some(place))
        self.move("execution_steps", "retry_at", "execution_id", self.some(place))
        self.move("executions", "wake_at", "id", self.some(place))

    @rule(place=index)
    def cancel(self, place: int) -> None:
        if not self.runs:
            return
        run_id = self.some(place)
        answer = self.call("POST", f"/executions/{run_id}/cancel")
        assert answer.status_code in (202, 409), answer.text
        if answer.status_code == 202:
            self.cancelled.add(run_id)

    @rule(place=index, newest=st.booleans())
    def resume(self, place: int, newest: bool) -> None:
        if not self.runs:
            return
        run_id = self.some(place)
        versions = self.call("GET", f"/agents/{self.agent}").json()["latest_version"]
        answer = self.call("POST", f"/executions/{run_id}/resume", {"version": versions} if newest else {})
        assert answer.status_code in (202, 409), answer.text
        if answer.status_code == 202:
            self.interrupted(run_id)
            self.cancelled.discard(run_id)

    @rule(place=index, node=index)
    def replay(self, place: int, node: int) -> None:
        if not self.runs:
            return
        run_id = self.some(place)
        nodes = self.published(URL, NAP).nodes
        wanted = {"from_node": nodes[node % len(nodes)].id}
        answer = self.call("POST", f"/executions/{run_id}/replay", wanted)
        assert answer.status_code in (202, 409), answer.text
        if answer.status_code == 202:
            self.runs.append(answer.json()["id"])

    @rule(longer=st.booleans())
    def publish(self, longer: bool) -> None:
        """A version in which what has run is as it was, or has one node more before its end."""
        graph = self.published(URL, NAP).to_json()
        if longer:
            graph["nodes"].append(
                {"id": "more", "type": "action", "subtype": "set", "config": {"values": {"a": 1}}}
            )
            graph["edges"].append({"id": "more", "source": "start", "target": "more"})
        answer = self.call("POST", f"/agents/{self.agent}/publish", {"definition": graph})
        assert answer.status_code == 201, answer.text

    @rule(status=st.sampled_from(["active", "paused"]))
    def set_status(self, status: str) -> None:
        answer = self.call("PUT", f"/agents/{self.agent}/status", {"status": status})
        assert answer.status_code in (200, 409), answer.text

    @rule()
    def flush_redis(self) -> None:
        self.do(_flushed())

    @invariant()
    def every_rule_holds(self) -> None:
        with psycopg.connect(self.world.owner_url) as connection:
            assert list(broken_rules(connection)) == []

    def teardown(self) -> None:
        try:
            for worker in (*self.workers, *self.late):
                self.interrupted(worker.run_id)
                self.do(worker.crash())
                self.expire(worker.run_id)
            for run_id in self.runs:
                run = self.do(self.to_the_end(run_id))
                assert run["status"] in ENDED
                assert run_id not in self.cancelled or run["status"] != "waiting"
                events = self.do(self.events(run_id))
                assert contradictions(events) == [], events
            with psycopg.connect(self.world.owner_url) as connection:
                assert list(breaches(connection)) == []
            for run_id, places in self.sink.by_run().items():
                for place, times in places.items():
                    assert times <= 1 + self.interruptions.get(run_id, 0), (run_id, place, times)
        finally:
            for worker in (*self.workers, *self.late):
                self.do(worker.crash())

    async def to_the_end(self, run_id: str) -> dict[str, Any]:
        """One worker after the other, with nothing in their way."""
        for _ in range(100):
            run = await self.world.look(run_id)
            if run["status"] in ENDED:
                return run
            self.world.let_time_pass(run_id)
            self.world.end_lease(run_id)
            for worker in await SteppedWorker.claim(self.sink, set(self.runs)):
                await worker.finish()
                await worker.crash()
                self.expire(worker.run_id)
        raise AssertionError(f"{run_id} does not end: {run}")

    async def events(self, run_id: str) -> list[dict[str, Any]]:
        return [event async for event in follow(self.world.person.actor, UUID(run_id)) if "seq" in event]

    def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        answer = self.do(self.world.person.client.request(method, path, json=body, headers=headers))
        assert answer.status_code < 500, answer.text
        return answer

    def interrupted(self, run_id: str) -> None:
        self.interruptions[run_id] = self.interruptions.get(run_id, 0) + 1

    def retire(self, worker: SteppedWorker) -> None:
        if worker.done:
            self.workers.remove(worker)

    def expire(self, run_id: str) -> None:
        self.move("executions", "lease_until", "id", run_id)

    def move(self, table: str, column: str, key: str, run_id: str) -> None:
        """To now, what is ahead."""
        statement = f"UPDATE {table} SET {column} = now() WHERE {key} = %s AND {column} > now()"
        with psycopg.connect(self.world.owner_url, autocommit=True) as connection:
            connection.execute(statement.encode(), (run_id,))

    def state_of(self, run_id: str) -> tuple[Any, ...]:
        statement = "SELECT epoch, event_seq, status FROM executions WHERE id = %s"
        with psycopg.connect(self.world.owner_url) as connection:
            row = connection.execute(statement, (run_id,)).fetchone()
        assert row is not None
        return row


async def _flushed() -> None:
    await redis_client().flushall()


@asynccontextmanager
async def _alone(owner_url: str, org_id: UUID) -> AsyncIterator[None]:
    """Nothing of other organizations is claimed meanwhile, nor is there what other tests made wrong in it."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        for table in ("executions", "usage_records", "idempotency_keys"):
            connection.execute(f"DELETE FROM {table} WHERE org_id <> %s".encode(), (org_id,))
        rows = connection.execute(
            "UPDATE organizations SET suspended_at = now() WHERE id <> %s AND suspended_at IS NULL"
            " RETURNING id",
            (org_id,),
        ).fetchall()
        try:
            yield
        finally:
            connection.execute(
                "UPDATE organizations SET suspended_at = NULL WHERE id = ANY(%s)", ([row[0] for row in rows],)
            )


@pytest.mark.timeout(10 * PATIENCE if THOROUGH else PATIENCE)
async def test_in_any_order_every_rule_holds(alice: Person, postgres_url: str) -> None:
    class Here(Orders):
        loop = asyncio.get_running_loop()
        world = Outside(alice, URL, postgres_url, Sink())

    quick = hypothesis_settings(
        max_examples=400 if THOROUGH else 8,
        stateful_step_count=50 if THOROUGH else 20,
        deadline=None,
        database=None,
        # Shortening an order takes longer than a test may: the rules that were gone by are told as they are.
        phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if THOROUGH else [])],
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    async with _alone(postgres_url, alice.org_id):
        machine: Callable[[], Any] = seed(SEED)(Here)
        await asyncio.to_thread(run_state_machine_as_test, machine, settings=quick)
