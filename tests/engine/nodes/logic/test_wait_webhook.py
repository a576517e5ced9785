from datetime import timedelta

import pytest

from engine import DryRun, Parked
from engine.testing import run_definition
from tests.engine.graphs import graph, node, put, write
from tests.engine.runner.host import Host, ended


def waiting(**config):
    return graph(
        node("call", "logic.wait_webhook", config), put("b", {"got": "{{ node_call.output.data }}"}), "call>b"
    )


@pytest.mark.parametrize("data", [{"a": 1}, [1], "{{ 7 * 7 }}", None, 0])
async def test_it_waits_for_a_call_and_puts_out_what_came(data):
    host = Host(waiting())
    outcome = await host.run()
    assert isinstance(outcome, Parked)
    assert (outcome.waiting_for.kind, outcome.waiting_for.until) == ("webhook", None)
    assert host.statuses == {"call": "waiting"}
    assert host.journal.signal(host.steps["call"].step_id, {"kind": "webhook", "data": data})
    assert ended(await host.run()).output == {"got": data}


async def test_nobody_calling_in_time_fails_the_step():
    host = Host(waiting(timeout_seconds="{{ 30 * 2 }}"))
    outcome = await host.run()
    assert isinstance(outcome, Parked)
    assert outcome.waiting_for.until == host.clock.now() + timedelta(seconds=60)
    host.clock.advance(60)
    end = ended(await host.run())
    assert (end.error["code"], end.error["node_id"]) == ("WAIT_EXPIRED", "call")
    assert host.steps["call"].attempt == 1


async def test_the_error_branch_takes_over_when_nobody_calls():
    definition = graph(
        node("call", "logic.wait_webhook", {"timeout_seconds": 60}, on_error="branch"),
        write("late", "{{ node_call.output.error.code }}"),
        "call:error>late",
    )
    host = Host(definition)
    await host.run()
    host.clock.advance(60)
    assert ended(await host.run()).output == {"text": "WAIT_EXPIRED"}


async def test_a_dry_run_does_not_wait_and_takes_its_pin():
    host = Host(waiting(), dry_run=DryRun())
    assert ended(await host.run()).output == {"got": None}
    pinned = Host(waiting(), dry_run=DryRun(pins={"call": {"data": {"a": 1}}}))
    assert ended(await pinned.run()).output == {"got": {"a": 1}}


@pytest.mark.parametrize("seconds", [0, -1, "soon", 1e12, "{{ trigger.data }}"])
async def test_a_time_that_is_none_fails_the_step(seconds):
    result = await run_definition(waiting(timeout_seconds=seconds), "soon")
    assert result.error["code"] == "INVALID_CONFIG"
