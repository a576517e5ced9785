import asyncio

import pytest

from engine import DryRun
from engine.testing import run_definition
from tests.engine.graphs import fetch, graph, node, put, write
from tests.engine.http_server import Answer, serving
from tests.engine.runner.host import Crash, ExplodingJournal, Host, ended


def stop(**config):
    return node("stop", "logic.stop", config)


async def test_it_ends_the_run_at_once():
    host = Host(graph(put("a"), stop(message="Enough, {{ node_a.output.at }}"), put("b"), "a>stop", "stop>b"))
    end = ended(await host.run())
    assert (end.status, end.output) == ("completed", {"status": "completed", "message": "Enough, a"})
    assert host.statuses == {"a": "completed", "stop": "completed", "b": "skipped"}


@pytest.mark.parametrize(
    ("config", "message"), [({"message": "No {{ 1 }}"}, "No 1"), ({}, "stop stopped the run")]
)
async def test_it_fails_the_run_where_it_says_so(config, message):
    host = Host(graph(stop(status="failed", **config), put("b"), "stop>b"))
    end = ended(await host.run())
    assert (end.status, end.output) == ("failed", None)
    assert end.error == {"code": "STOPPED", "message": message, "node_id": "stop", "details": {}}
    assert host.statuses == {"stop": "completed", "b": "skipped"}


@pytest.mark.parametrize("status", ["completed", "failed"])
async def test_what_is_under_way_is_cancelled(egress, status):
    async def hang(request):
        await asyncio.Event().wait()
        return Answer()

    async with serving(hang) as server:
        definition = graph(
            fetch("slow", server.url),
            put("after"),
            node("ask", "human.approval", {"message": "?"}),
            node("nap", "logic.delay", {"seconds": 3}),
            stop(status=status),
            "slow>after",
            "nap>stop",
        )
        host = Host(definition, egress=egress)
        _, task = host.start()
        while not server.requests:
            await asyncio.sleep(0)
        host.clock.advance(3)
        assert ended(await task).status == status
        await server.disconnected.wait()
    assert host.statuses == {
        "slow": "cancelled",
        "ask": "cancelled",
        "nap": "completed",
        "stop": "completed",
        "after": "skipped",
    }


async def test_the_answer_of_a_respond_node_stays_the_output():
    definition = graph(node("answer", "action.respond", {"body": 1}), stop(), "answer>stop")
    assert (await run_definition(definition)).output["body"] == 1


async def test_the_stop_and_the_end_are_recorded_together():
    host = Host(graph(put("a"), stop(), "a>stop"))
    host.journal = ExplodingJournal(clock=host.clock, at=1)
    with_crash = host.journal
    assert isinstance(with_crash, ExplodingJournal)
    try:
        await host.run()
    except Crash:
        assert host.statuses.get("stop") != "completed"
    assert ended(await host.run()).output["status"] == "completed"


async def test_a_dry_run_stops_where_the_pin_says():
    definition = graph(stop(), write("b", "on"), "stop>b")
    host = Host(definition, dry_run=DryRun(pins={"stop": {"status": "failed", "message": "pinned"}}))
    assert ended(await host.run()).error["message"] == "pinned"


@pytest.mark.parametrize("config", [{"status": "cancelled"}, {"message": "x" * 3000}, {"extra": 1}])
async def test_bad_settings_fail_the_step(config):
    result = await run_definition(graph(stop(**config)))
    assert result.error["code"] == "INVALID_CONFIG"
