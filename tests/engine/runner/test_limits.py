import asyncio
from decimal import Decimal
from typing import Any

import pytest

from engine import Parked, RunSettings
from engine.context import Context
from engine.errors import RequestError
from engine.nodes import registry
from engine.nodes.base import NodeKind, Result
from engine.nodes.fields import NodeConfig
from engine.ports import Usage
from tests.engine.graphs import fetch, graph, node, put
from tests.engine.http_server import Answer, serving
from tests.engine.runner.host import Host, ended


class CostlyConfig(NodeConfig):
    cost: str = "0.40"
    estimate: str = "0"
    fail: bool = False
    levels: int = 1


class Costly(NodeKind[CostlyConfig]):
    """Costs what it is told to; kinds of users' own are made like this."""

    type, subtype, label, help, icon = "test", "costly", "Costly", "Costs money.", "coins"
    spends = True
    Config = CostlyConfig

    def estimate(self, config: CostlyConfig, context: Context) -> Decimal:
        return Decimal(config.estimate)

    async def run(self, config: CostlyConfig, context: Context) -> Result:
        context.log("calling", data={"cost": config.cost})
        usage = Usage(input_tokens=100, output_tokens=20, cost=Decimal(config.cost), model="m")
        if config.fail:
            context.spend(usage)
            raise RequestError("refused after it was paid for")
        output: dict[str, Any] = {"text": "ok"}
        for _ in range(config.levels - 1):
            output = {"in": output}
        return Result(output, usage=usage)


@pytest.fixture(autouse=True)
def costly_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    known = registry.kind

    def kind(type_: str, subtype: str) -> NodeKind[Any] | None:
        return Costly() if (type_, subtype) == ("test", "costly") else known(type_, subtype)

    monkeypatch.setattr(registry, "kind", kind)


def costly(node_id: str, **config: Any) -> dict[str, Any]:
    return node(node_id, "test.costly", config)


async def test_usage_adds_up_in_the_events():
    host = Host(graph(costly("a"), costly("b"), "a>b"))
    ended(await host.run())
    (completed,) = host.events("execution.completed")
    assert completed["total_tokens"] == 240
    assert completed["total_cost"] == "0.8"
    assert [event["cost"] for event in host.events("step.completed")] == ["0.4", "0.4"]
    assert host.events("log")[0]["message"] == "calling"


async def test_a_failed_step_was_paid_for_too():
    host = Host(graph(costly("a", fail=True)))
    assert ended(await host.run()).status == "failed"
    assert host.journal.totals().cost == Decimal("0.40")


async def test_a_spent_budget_parks_before_the_next_call_and_goes_on_with_a_larger_one():
    host = Host(
        graph(costly("a"), costly("b"), costly("c"), "a>b", "b>c"),
        settings=RunSettings(max_cost=Decimal("0.8")),
    )
    outcome = await host.run()
    assert isinstance(outcome, Parked)
    assert outcome.waiting_for.kind == "budget"
    assert outcome.waiting_for.details["spent"] == "0.80"
    assert host.statuses == {"a": "completed", "b": "completed", "c": "waiting"}
    assert isinstance(await host.run(), Parked)
    host.settings = RunSettings(max_cost=Decimal(2))
    assert ended(await host.run()).status == "completed"
    assert host.steps["c"].attempt == 1


async def test_the_estimate_of_a_call_is_asked_before_it():
    host = Host(graph(costly("a", estimate="0.6")), settings=RunSettings(max_cost=Decimal("0.5")))
    outcome = await host.run()
    assert isinstance(outcome, Parked)
    assert host.statuses == {"a": "waiting"}


async def test_calls_at_the_same_time_share_the_budget():
    definition = graph(costly("a", estimate="0.4"), costly("b", estimate="0.4"))
    host = Host(definition, settings=RunSettings(max_cost=Decimal("0.5")))
    assert isinstance(await host.run(), Parked)
    assert sorted(host.statuses.values()) == ["completed", "waiting"]


async def test_one_step_too_many_parks_whatever_the_node_says_and_goes_on_with_more():
    definition = graph(put("a"), put("b"), put("c", on_error="continue"), put("d"), "a>b", "b>c", "c>d")
    host = Host(definition, settings=RunSettings(max_steps=2))
    for _ in range(2):
        outcome = await host.run()
        assert isinstance(outcome, Parked)
        told = {**outcome.waiting_for.details, "kind": outcome.waiting_for.kind}
        assert {name: told[name] for name in ("kind", "steps", "max_steps", "node_id")} == {
            "kind": "budget",
            "steps": 2,
            "max_steps": 2,
            "node_id": "c",
        }
        assert host.statuses == {"a": "completed", "b": "completed", "c": "waiting"}
    host.settings = RunSettings(max_steps=3)
    assert isinstance(await host.run(), Parked)
    assert host.statuses == {"a": "completed", "b": "completed", "c": "completed", "d": "waiting"}
    host.settings = RunSettings(max_steps=4)
    assert ended(await host.run()).status == "completed"
    assert host.steps["c"].attempt == 1


async def test_an_execution_that_takes_too_long_fails(egress):
    async def hang(request):
        await asyncio.Event().wait()
        return Answer()

    async with serving(hang) as server:
        settings = RunSettings(timeout_seconds=100, elapsed_seconds=40)
        host = Host(graph(fetch("a", server.url), put("b"), "a>b"), egress=egress, settings=settings)
        runner, task = host.start()
        while not server.requests:
            await asyncio.sleep(0)
        assert host.clock.sleepers[0] == 60
        host.clock.advance(60)
        end = ended(await task)
    assert end.error["code"] == "EXECUTION_TIMEOUT"
    assert host.statuses == {"a": "cancelled", "b": "skipped"}
    assert runner.elapsed_seconds == 100


async def test_an_output_that_is_too_large_fails_its_step_as_the_node_says():
    large = node("a", "action.set", {"values": {"text": "x" * 2000}}, on_error="continue")
    small = RunSettings(max_output_bytes=1000, max_retries=0)
    host = Host(graph(large, put("b"), "a>b"), settings=small)
    assert ended(await host.run()).output == {"at": "b"}
    assert host.steps["a"].error["code"] == "LIMIT_EXCEEDED"
    assert host.steps["a"].error["details"] == {"bytes": 2011, "max_bytes": 1000}


@pytest.mark.parametrize(("levels", "status"), [(200, "completed"), (201, "failed")])
async def test_an_output_that_is_nested_too_deep_fails_its_step(levels: int, status: str):
    host = Host(graph(costly("a", levels=levels)))
    assert ended(await host.run()).status == status
    error = host.steps["a"].error
    assert error is None or error["message"] == "The output is nested deeper than 200 levels"


async def test_all_outputs_together_have_a_limit_that_no_node_goes_around():
    parts = [put(name, {"text": "x" * 400}, on_error="continue") for name in "abc"]
    definition = graph(*parts, "a>b", "b>c")
    end = ended(await Host(definition, settings=RunSettings(max_state_bytes=1000)).run())
    assert (end.status, end.error["code"]) == ("failed", "LIMIT_EXCEEDED")
    assert (
        ended(await Host(definition, settings=RunSettings(max_state_bytes=2000)).run()).status == "completed"
    )


async def test_what_was_put_out_before_a_wait_counts_after_it():
    parts = [
        put("a", {"text": "x" * 800}),
        node("wait", "logic.delay", {"seconds": 60}),
        put("b", {"text": "x" * 800}),
    ]
    host = Host(graph(*parts, "a>wait", "wait>b"), settings=RunSettings(max_state_bytes=1000))
    await host.run()
    host.clock.advance(60)
    assert ended(await host.run()).error["code"] == "LIMIT_EXCEEDED"


async def test_a_run_has_so_many_steps_and_no_more():
    parts = [put(name, on_error="continue") for name in "abc"]
    host = Host(graph(*parts, "a>b", "b>c"), settings=RunSettings(most_steps=2))
    end = ended(await host.run())
    assert (end.status, end.error["code"]) == ("failed", "LIMIT_EXCEEDED")
    assert host.statuses == {"a": "completed", "b": "completed", "c": "skipped"}
    enough = Host(graph(*parts, "a>b", "b>c"), settings=RunSettings(most_steps=3))
    assert ended(await enough.run()).status == "completed"
