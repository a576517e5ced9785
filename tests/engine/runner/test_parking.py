import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from engine import Parked, RunSettings
from engine.ports import Change, Signal, WaitingFor
from engine.testing import FakeClock, MemoryJournal, NoEgress, run_definition
from tests.engine.graphs import fetch, graph, node, put, write
from tests.engine.http_server import Answer, serving
from tests.engine.runner.host import Host, ended


def approve(decision="approved", **more):
    return {"kind": "approval", "decision": decision, "comment": None, "data": None, **more}


def asking(**config):
    return graph(
        put("a"),
        node("ask", "human.approval", {"message": "Send {{ node_a.output.at }}?", **config}),
        put("yes"),
        put("no"),
        put("late"),
        "a>ask",
        "ask:approved>yes",
        "ask:rejected>no",
        "ask:expired>late",
    )


async def test_an_approval_parks_the_execution_and_says_what_it_waits_for():
    host = Host(asking(show={"to": "bob"}, approvers=["owner"], timeout_seconds=60))
    outcome = await host.run()
    assert isinstance(outcome, Parked)
    step = host.steps["ask"]
    assert step.status == "waiting_approval"
    assert outcome.waiting_for.kind == "approval"
    assert outcome.waiting_for.until == host.clock.now() + timedelta(seconds=60)
    assert outcome.waiting_for.details == {
        "message": "Send a?",
        "approvers": ["owner"],
        "show": {"to": "bob"},
        "editable": False,
        "step_id": step.step_id,
        "node_id": "ask",
    }
    (event,) = host.events("execution.waiting")
    assert event["waiting_for"]["step_id"] == step.step_id
    assert event["waiting_for"]["until"] == "2030-01-01T00:01:00Z"


@pytest.mark.parametrize(
    ("payload", "branch", "output"),
    [
        (
            approve(comment="go", decided_by="alice"),
            "yes",
            {"decision": "approved", "comment": "go", "data": 1, "decided_by": "alice"},
        ),
        (
            approve("rejected"),
            "no",
            {"decision": "rejected", "comment": None, "data": 1, "decided_by": None},
        ),
        ({"kind": "timer"}, "late", {"decision": "expired", "comment": None, "data": 1, "decided_by": None}),
    ],
)
async def test_the_decision_takes_its_way(payload, branch, output):
    host = Host(asking(show=1))
    await host.run()
    assert host.journal.signal(host.steps["ask"].step_id, payload)
    assert ended(await host.run()).output == {"at": branch}
    assert host.steps["ask"].output == output
    assert host.steps["ask"].attempt == 1
    assert len(host.events("step.started")) == 3


@pytest.mark.parametrize(("editable", "expected"), [(True, {"to": "eve"}), (False, {"to": "bob"})])
async def test_edited_data_counts_only_where_it_may_be_edited(editable, expected):
    host = Host(asking(show={"to": "bob"}, editable=editable))
    await host.run()
    host.journal.signal(host.steps["ask"].step_id, approve(data={"to": "eve"}))
    await host.run()
    assert host.steps["ask"].output["data"] == expected


async def test_an_approval_expires_at_its_time_and_not_before():
    host = Host(asking(timeout_seconds=60))
    await host.run()
    host.clock.advance(59)
    assert isinstance(await host.run(), Parked)
    host.clock.advance(1)
    assert ended(await host.run()).output == {"at": "late"}


async def test_a_decision_that_comes_too_late_changes_nothing():
    host = Host(asking(timeout_seconds=60))
    await host.run()
    host.clock.advance(61)
    assert not host.journal.signal(host.steps["ask"].step_id, approve())
    assert ended(await host.run()).output == {"at": "late"}


async def test_a_decision_that_arrives_while_the_execution_parks_is_not_lost():
    class Racing(MemoryJournal):
        async def park(self, changes: Sequence[Change], waiting_for: WaitingFor) -> Sequence[Signal]:
            for change in changes:
                self._apply(change)
            asked = next(step for step in self.steps.values() if step.node_id == "ask")
            self.signal(asked.step_id, approve())
            return await super().park([], waiting_for)

    clock = FakeClock()
    host = Host(asking(), clock=clock, journal=Racing("execution-1", clock=clock))
    assert ended(await host.run()).output == {"at": "yes"}
    assert host.events("execution.waiting") == []


async def test_a_decision_can_be_delivered_while_another_branch_runs(egress):
    let_go = asyncio.Event()

    async def answer(request):
        await let_go.wait()
        return Answer(body={})

    async with serving(answer) as server:
        definition = graph(
            fetch("slow", server.url),
            node("ask", "human.approval", {"message": "?"}),
            put("yes"),
            "ask:approved>yes",
        )
        host = Host(definition, egress=egress)
        runner, task = host.start()
        while host.statuses.get("ask") != "waiting_approval":
            await asyncio.sleep(0)
        signal = Signal(host.steps["ask"].step_id, approve())
        runner.deliver([signal, signal, Signal("unknown", approve())])
        while host.statuses.get("yes") != "completed":
            await asyncio.sleep(0)
        assert host.statuses["slow"] == "running"
        let_go.set()
        assert ended(await task).status == "completed"


async def test_a_delay_of_some_seconds_is_slept_through():
    host = Host(graph(node("nap", "logic.delay", {"seconds": 5}), put("a"), "nap>a"))
    _, task = host.start()
    await host.clock.asleep(5)
    assert host.statuses == {"nap": "running"}
    host.clock.advance(5)
    assert ended(await task).status == "completed"


async def test_a_longer_delay_gives_the_worker_back_until_it_is_due():
    host = Host(graph(node("nap", "logic.delay", {"seconds": 3600}), put("a"), "nap>a"))
    outcome = await host.run()
    assert isinstance(outcome, Parked)
    assert outcome.waiting_for.kind == "timer"
    assert outcome.waiting_for.until == host.clock.now() + timedelta(hours=1)
    assert "state" not in host.events("step.waiting")[0]["waiting_for"]
    host.clock.advance(3600)
    assert ended(await host.run()).status == "completed"
    assert host.steps["nap"].output == {"waited_until": "2030-01-01T01:00:00Z"}


async def test_of_several_delays_the_execution_wakes_for_the_first():
    definition = graph(
        node("long", "logic.delay", {"seconds": 100}),
        node("short", "logic.delay", {"seconds": 10}),
        put("a"),
        "short>a",
    )
    host = Host(definition)
    outcome = await host.run()
    assert isinstance(outcome, Parked)
    assert outcome.waiting_for.until == host.clock.now() + timedelta(seconds=10)
    host.clock.advance(10)
    outcome = await host.run()
    assert isinstance(outcome, Parked)
    assert host.statuses == {"long": "waiting", "short": "completed", "a": "completed"}
    host.clock.advance(90)
    assert ended(await host.run()).status == "completed"


async def test_a_delay_that_comes_due_while_another_branch_runs_goes_on_at_once(egress):
    let_go = asyncio.Event()

    async def answer(request):
        await let_go.wait()
        return Answer(body={})

    async with serving(answer) as server:
        definition = graph(
            fetch("slow", server.url), node("nap", "logic.delay", {"seconds": 60}), put("a"), "nap>a"
        )
        host = Host(definition, egress=egress)
        _, task = host.start()
        await host.clock.asleep(60)
        host.clock.advance(60)
        while host.statuses.get("a") != "completed":
            await asyncio.sleep(0)
        let_go.set()
        assert ended(await task).status == "completed"


async def test_people_are_told_of_the_approval_though_a_timer_wakes_first():
    definition = graph(
        node("nap", "logic.delay", {"seconds": 60}), node("ask", "human.approval", {"message": "?"})
    )
    host = Host(definition)
    outcome = await host.run()
    assert isinstance(outcome, Parked)
    assert outcome.waiting_for.kind == "approval"
    assert outcome.waiting_for.until == host.clock.now() + timedelta(seconds=60)


async def test_waiting_does_not_count_towards_the_timeout():
    clock = FakeClock()
    definition = graph(node("nap", "logic.delay", {"seconds": 3600}), write("a", "done"), "nap>a")
    task = asyncio.create_task(
        run_definition(definition, clock=clock, egress=NoEgress(), settings=RunSettings(timeout_seconds=60))
    )
    await clock.asleep(3600)
    clock.advance(3600)
    assert (await task).status == "completed"


async def test_delays_until_a_moment_take_a_zone_or_utc():
    for until in ("2030-01-01T02:00:00+02:00", "2029-12-31T23:00:00"):
        result = await run_definition(
            graph(node("nap", "logic.delay", {"until": until})), clock=FakeClock(), egress=NoEgress()
        )
        assert result.status == "completed"
