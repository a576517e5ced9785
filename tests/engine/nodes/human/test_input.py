from datetime import timedelta

import pytest

from engine import DryRun, Parked, validate
from tests.engine.graphs import graph, node, put
from tests.engine.runner.host import Host, ended

SCHEMA = {"type": "object", "properties": {"reason": {"type": "string"}}, "required": ["reason"]}


def asking(**config):
    return graph(
        node("ask", "human.input", {"message": "Why, {{ trigger.data }}?", "schema": SCHEMA, **config}),
        put("b", {"why": "{{ node_ask.output.data.reason }}"}),
        put("late"),
        "ask>b",
        "ask:expired>late",
    )


async def test_it_waits_for_the_form_and_says_what_it_asks():
    host = Host(asking(timeout_seconds=60), "{{ 7 * 7 }}")
    outcome = await host.run()
    assert isinstance(outcome, Parked)
    step = host.steps["ask"]
    assert step.status == "waiting"
    assert outcome.waiting_for.kind == "input"
    assert outcome.waiting_for.until == host.clock.now() + timedelta(seconds=60)
    assert outcome.waiting_for.details == {
        "message": "Why, {{ 7 * 7 }}?",
        "schema": SCHEMA,
        "step_id": step.step_id,
        "node_id": "ask",
    }
    host.journal.signal(
        step.step_id, {"kind": "input", "data": {"reason": "{{ 1 }}"}, "comment": "ok", "decided_by": "alice"}
    )
    assert ended(await host.run()).output == {"why": "{{ 1 }}"}
    assert host.steps["ask"].output == {
        "decision": "submitted",
        "comment": "ok",
        "data": {"reason": "{{ 1 }}"},
        "decided_by": "alice",
    }


async def test_it_expires_at_its_time_and_not_before():
    host = Host(asking(timeout_seconds=60), "x")
    await host.run()
    host.clock.advance(59)
    assert isinstance(await host.run(), Parked)
    host.clock.advance(1)
    assert ended(await host.run()).output == {"at": "late"}
    assert host.steps["ask"].output["decision"] == "expired"


async def test_a_dry_run_takes_its_pin_and_else_finds_nothing():
    assert ended(await Host(asking(), "x", dry_run=DryRun()).run()).output == {"why": None}
    pinned = Host(asking(), "x", dry_run=DryRun(pins={"ask": {"data": {"reason": "pinned"}}}))
    assert ended(await pinned.run()).output == {"why": "pinned"}
    late = Host(asking(), "x", dry_run=DryRun(pins={"ask": {"decision": "expired"}}))
    assert ended(await late.run()).output == {"at": "late"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nothing"},
        {"$ref": "https://example.com/schema"},
        {"pattern": "("},
        "{{ trigger.data }}",
        None,
    ],
    ids=str,
)
def test_a_schema_that_does_not_work_is_told_before(schema):
    problems = validate(asking(schema=schema))
    assert [(p.code, p.field) for p in problems if p.severity == "error"] == [("INVALID_CONFIG", "schema")]
