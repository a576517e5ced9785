"""A worker may die at any moment; the next one goes on, and nothing that has completed runs again."""

import asyncio
import itertools
from collections import Counter

import pytest

from engine import Parked
from engine.errors import LeaseLostError
from engine.testing import FakeClock, MemoryJournal
from tests.engine.graphs import fetch, graph, node, put, write
from tests.engine.http_server import Answer, Request, serving
from tests.engine.runner.host import Crash, ExplodingJournal, Host, ended

KEY = "idempotency-key"


def demanding(url: str):
    return graph(
        node("start", "trigger.manual"),
        put("a", {"n": "{{ trigger.data.n }}"}),
        fetch("b", f"{url}/b", {"body": {"n": "{{ node_a.output.n }}"}}),
        node("c", "logic.switch", {"value": "{{ node_a.output.n }}", "cases": ["1", "2"]}),
        fetch("d", f"{url}/d"),
        fetch("never", f"{url}/never"),
        node("nap", "logic.delay", {"seconds": 60}),
        node("all", "logic.merge"),
        node("ok", "human.approval", {"message": "ok?", "show": "{{ node_b.output.body }}"}),
        write("end", "{{ node_ok.output.data }} {{ node_d.output.body }}"),
        "start>a",
        "a>b",
        "a>c",
        "c:1>d",
        "c:2>never",
        "d>nap",
        "nap>all",
        "b>all",
        "never>all",
        "all>ok",
        "ok:approved>end",
    )


async def to_the_end(host: Host) -> object:
    """Claims the execution again after each crash and each wait."""
    while True:
        try:
            outcome = await host.run()
        except Crash:
            continue
        if not isinstance(outcome, Parked):
            return ended(outcome).output
        if outcome.waiting_for.kind == "timer":
            host.clock.advance(60)
        else:
            step = host.steps["ok"]
            host.journal.signal(step.step_id, {"kind": "approval", "decision": "approved"})


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_at_every_write_it_comes_to_the_same_end(egress, after):
    """One run per write, until a run has no such write any more."""
    number, exploded = 0, True
    while exploded:
        number += 1
        seen: Counter[tuple[str, str]] = Counter()

        def answer(request: Request, seen=seen) -> Answer:
            seen[request.path, request.headers[KEY]] += 1
            return Answer(body=request.path)

        async with serving(answer) as server:
            clock = FakeClock()
            journal = ExplodingJournal(clock=clock, at=number, after=after)
            host = Host(demanding(server.url), {"n": 1}, clock=clock, journal=journal, egress=egress)
            assert await to_the_end(host) == {"text": "/b /d"}
        exploded = journal.at is None
        # The journal refuses changes of completed steps, so none has run again after it was recorded.
        found = host.statuses
        assert found.pop("never") == "skipped"
        assert len(found) == 9
        assert set(found.values()) == {"completed"}
        # Each effect has one key, and happened again only where its worker died before recording it.
        assert {path: len({key for at, key in seen if at == path}) for path, _ in seen} == {"/b": 1, "/d": 1}
        assert max(seen.values()) <= (2 if exploded else 1)
    assert number > 5


async def test_steps_keep_their_ids_and_keys_and_count_their_attempts(egress):
    died = asyncio.Event()

    async def answer(request: Request) -> Answer:
        if not died.is_set():
            await asyncio.Event().wait()
        return Answer(body={})

    async with serving(answer) as server:
        host = Host(graph(put("a"), fetch("b", server.url), "a>b"), egress=egress)
        _, task = host.start()
        while not server.requests:
            await asyncio.sleep(0)
        before = host.steps
        assert before["b"].status == "running"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        died.set()
        ended(await host.run())
    assert host.steps["b"].step_id == before["b"].step_id
    assert (before["b"].attempt, host.steps["b"].attempt) == (1, 2)
    assert {request.headers[KEY] for request in server.requests} == {"execution-1:b:-"}
    assert [event["attempt"] for event in host.events("step.started") if event["node_id"] == "a"] == [1]


async def test_before_a_side_effect_begins_everything_before_it_is_durable(egress):
    host: Host

    def answer(request: Request) -> Answer:
        assert host.statuses == {"a": "completed", "b": "completed", "send": "running"}
        return Answer(body={})

    async with serving(answer) as server:
        host = Host(graph(put("a"), put("b"), fetch("send", server.url), "a>b", "b>send"), egress=egress)
        assert ended(await host.run()).status == "completed"


async def test_steps_that_only_compute_are_written_in_one_go():
    names = ["a", "b", "c", "d", "e"]
    journal = ExplodingJournal(clock=FakeClock())
    definition = graph(*map(put, names), *(f"{x}>{y}" for x, y in itertools.pairwise(names)))
    ended(await Host(definition, journal=journal, clock=journal.clock).run())
    assert journal.writes == 1


async def test_a_node_that_must_not_repeat_is_left_to_a_person(egress):
    hang = asyncio.Event()

    async def answer(request: Request) -> Answer:
        await hang.wait()
        return Answer(body={})

    async with serving(answer) as server:
        host = Host(graph(fetch("pay", server.url, repeat="never"), put("after"), "pay>after"), egress=egress)
        _, task = host.start()
        while not server.requests:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        outcome = await host.run()
        assert isinstance(outcome, Parked)
        assert outcome.waiting_for.kind == "uncertain"
        assert host.steps["pay"].status == "uncertain"
        assert host.events("step.uncertain")[0]["error"]["code"] == "INTERRUPTED"
        assert len(server.requests) == 1

        resolution = {"kind": "uncertain", "outcome": "done", "output": {"paid": True}}
        host.journal.signal(host.steps["pay"].step_id, resolution)
        end = ended(await host.run())
    assert (end.status, end.output) == ("completed", {"at": "after"})
    assert host.steps["pay"].output == {"paid": True}
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("outcome", "status", "requests"), [("retry", "completed", 2), ("failed", "failed", 1)]
)
async def test_an_uncertain_step_can_be_retried_or_given_up(egress, outcome, status, requests):
    async with serving(lambda request: Answer(500 if len(server.requests) == 1 else 200, {})) as server:
        host = Host(graph(fetch("pay", server.url, repeat="never")), egress=egress)
        assert isinstance(await host.run(), Parked)
        host.journal.signal(host.steps["pay"].step_id, {"kind": "uncertain", "outcome": outcome})
        assert ended(await host.run()).status == status
    assert len(server.requests) == requests


async def test_a_lost_lease_stops_everything_without_another_write(egress):
    class Taken(MemoryJournal):
        lost = False

        async def write(self, changes):
            if self.lost:
                raise LeaseLostError("taken over")
            await super().write(changes)

    arrived = asyncio.Event()

    async def answer(request: Request) -> Answer:
        if request.path == "/hang":
            arrived.set()
            await asyncio.Event().wait()
        await arrived.wait()
        journal.lost = True
        return Answer(body={})

    async with serving(answer) as server:
        clock = FakeClock()
        journal = Taken("execution-1", clock=clock)
        definition = graph(fetch("a", f"{server.url}/hang"), fetch("b", f"{server.url}/b"), put("c"), "b>c")
        host = Host(definition, clock=clock, journal=journal, egress=egress)
        with pytest.raises(LeaseLostError):
            await host.run()
        await server.disconnected.wait()
    assert host.statuses == {"a": "running", "b": "running"}


async def test_a_failed_execution_goes_on_from_its_failed_and_skipped_steps(egress):
    """What a host does that reopens an ended execution."""
    broken = True
    async with serving(lambda request: Answer(400 if broken else 200, {})) as server:
        definition = graph(put("a"), fetch("b", server.url), put("c"), "a>b", "b>c")
        host = Host(definition, egress=egress)
        assert ended(await host.run()).status == "failed"
        assert host.statuses == {"a": "completed", "b": "failed", "c": "skipped"}
        broken = False
        host.journal.end = None
        assert ended(await host.run()).status == "completed"
    assert {step.node_id: step.attempt for step in host.journal.steps.values()} == {"a": 1, "b": 2, "c": 1}
