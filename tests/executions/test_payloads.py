"""Values of megabytes: stored once beside their run, shown by their beginning, and whole where it matters."""

import asyncio
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select, text
from sqlmodel import col

from agentflow_app.core import migrations
from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.core.serialization import dumps
from agentflow_app.core.settings import Settings
from agentflow_app.core.settings import settings as current_settings
from agentflow_app.executions.failures import tell_failures
from agentflow_app.executions.models import Payload
from agentflow_app.executions.payloads import PREVIEW_ROOM, Kept, preview
from agentflow_app.executions.redaction import REDACTED
from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.invariants import breaches
from tests.actors import People, Person, definition, ended, node, published, running
from tests.executions.test_resuming import events_of, start, steps_of

SIZE = 5_000_000
MAKE = node("make", "action.code", code=f"{{'text': 'x' * {SIZE}, 'n': 1}}")
COUNT = node(
    "count", "action.code", code="len(inputs['text'])", inputs={"text": "{{ node_make.output.text }}"}
)
HANDED_ON = definition(
    node("start", "trigger.manual"), MAKE, node("pass", "action.set", values="{{ node_make.output }}"), COUNT
)
STOPS = definition(
    node("start", "trigger.manual"),
    MAKE,
    node("ask", "human.approval", message="?"),
    COUNT,
    edges=[("start", "make"), ("make", "ask"), ("ask", "count", "approved")],
)


async def payloads(person: Person, run_id: str) -> dict[str, int]:
    query = select(col(Payload.id), col(Payload.size)).where(col(Payload.execution_id) == UUID(run_id))
    async with database().transaction(person.actor) as tx:
        return {str(row[0]): row[1] for row in await tx.execute(query)}


async def get(person: Person, address: str) -> Any:
    answer = await person.client.get(address.removeprefix("/api/v1"))
    assert answer.status_code == 200, answer.text[:500]
    return answer.json()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Payloads begin at 2 kB."""
    monkeypatch.setattr(current_settings(), "payload_bytes", 2048)


async def test_five_megabytes_are_handed_on_and_stored_once(alice: Person, runtime: ExecutionRuntime) -> None:
    run_id = await start(alice, await published(alice, HANDED_ON))
    run = await ended(alice, run_id)
    assert (run["status"], run["output"]) == ("completed", SIZE), run["error"]
    steps = await steps_of(alice, run_id)
    whole = {"text": "x" * SIZE, "n": 1}
    # make's output is pass's too; pass and count have inputs of their own.
    assert steps["make"]["output_ref"] == steps["pass"]["output_ref"]
    assert len(await payloads(alice, run_id)) == 3
    for name in ("make", "pass"):
        assert await get(alice, steps[name]["output_ref"]) == whole
        assert steps[name]["output_data"]["n"] == 1
        assert len(steps[name]["output_data"]["text"]) < 1000
    assert await get(alice, steps["count"]["input_ref"]) == {
        "code": "len(inputs['text'])",
        "inputs": {"text": "x" * SIZE},
    }
    assert steps["count"]["output_ref"] is steps["make"]["input_ref"] is None
    events = await events_of(alice, run_id)
    assert len(dumps(events)) < 10_000
    (told,) = [e for e in events if e["type"] == "step.completed" and e["node_id"] == "make"]
    assert "output" not in told
    assert await get(alice, told["output_ref"]) == whole


async def test_a_runs_output_is_whole_where_one_asks_for_it(alice: Person, runtime: ExecutionRuntime) -> None:
    hook = definition(node("start", "trigger.webhook", response="when_finished"), MAKE)
    agent_id = await published(alice, hook)
    url = (await alice.client.get(f"/agents/{agent_id}")).json()["trigger_config"]["webhook_url"]
    whole = {"text": "x" * SIZE, "n": 1}
    called = url[url.index("/hooks/") :]
    assert (await alice.client.post(called, json={})).json() == whole
    sent = await alice.client.get("/executions", params={"agent_id": agent_id})
    (listed,) = sent.json()["data"]
    assert len(sent.content) < 10_000
    assert await get(alice, listed["output_ref"]) == whole
    assert (await alice.client.get(f"/executions/{listed['id']}")).json()["output"] == whole
    completed = (await events_of(alice, listed["id"]))[-1]
    assert "output" not in completed
    assert await get(alice, completed["output_ref"]) == whole


async def test_large_trigger_data_reach_the_run_and_its_replay(
    alice: Person, runtime: ExecutionRuntime, small: None
) -> None:
    graph = definition(
        node("start", "trigger.manual"),
        node("size", "action.code", code="len(inputs['t'])", inputs={"t": "{{ trigger.data.text }}"}),
    )
    agent_id = await published(alice, graph)
    run_id = await start(alice, agent_id, text="é" * 3000)
    run = await ended(alice, run_id)
    assert (run["output"], run["trigger_data"]) == (3000, {"text": "é" * 3000})
    (listed,) = (await alice.client.get("/executions", params={"agent_id": agent_id})).json()["data"]
    assert len(listed["trigger_data"]["text"]) < 1000
    assert await get(alice, listed["trigger_data_ref"]) == {"text": "é" * 3000}
    answer = await alice.client.post(f"/executions/{run_id}/replay", json={"from_node": "size"})
    replay = await ended(alice, answer.json()["id"])
    assert (replay["output"], replay["trigger_data"]) == (3000, {"text": "é" * 3000})


async def test_another_worker_goes_on_with_all_of_it(alice: Person) -> None:
    async with running("first"):
        run_id = await start(alice, await published(alice, STOPS))
        while (await alice.client.get(f"/executions/{run_id}")).json()["status"] != "waiting":
            await asyncio.sleep(0.02)
    async with running("second"):
        answer = await alice.client.post(f"/executions/{run_id}/approve", json={"decision": "approved"})
        assert answer.status_code == 200, answer.text
        assert (await ended(alice, run_id))["output"] == SIZE


async def test_a_replay_takes_payloads_over_and_keeps_them_when_the_original_goes(
    alice: Person, runtime: ExecutionRuntime
) -> None:
    run_id = await start(alice, await published(alice, HANDED_ON))
    await ended(alice, run_id)
    body = {"from_node": "count"}
    replay = (await alice.client.post(f"/executions/{run_id}/replay", json=body)).json()["id"]
    assert (await ended(alice, replay))["output"] == SIZE
    compared = (await alice.client.get(f"/executions/{run_id}/compare/{replay}")).json()
    assert [step["changes"].keys() - {"duration_ms"} for step in compared["steps"]] in ([], [set()])
    async with database().transaction(alice.actor) as tx:
        await tx.execute(text("DELETE FROM executions WHERE id = :id"), {"id": UUID(run_id)})
    assert await payloads(alice, run_id) == {}
    step = (await steps_of(alice, replay))["make"]
    assert await get(alice, step["output_ref"]) == {"text": "x" * SIZE, "n": 1}


async def test_what_differs_only_behind_the_beginning_is_seen(
    alice: Person, runtime: ExecutionRuntime, small: None
) -> None:
    graph = definition(
        node("start", "trigger.manual"),
        node("make", "action.set", values={"text": "{{ trigger.data.text }}"}),
    )
    agent_id = await published(alice, graph)
    one = await start(alice, agent_id, text="x" * 3000 + "a")
    two = await start(alice, agent_id, text="x" * 3000 + "b")
    await ended(alice, one), await ended(alice, two)
    compared = (await alice.client.get(f"/executions/{one}/compare/{two}")).json()
    assert "output" in {step["node_id"]: step for step in compared["steps"]}["make"]["changes"]


async def test_a_large_override_stands_in_for_an_output(
    alice: Person, runtime: ExecutionRuntime, small: None
) -> None:
    run_id = await start(alice, await published(alice, HANDED_ON))
    await ended(alice, run_id)
    body = {"from_node": "count", "overrides": {"make": {"text": "y" * 4000}}}
    answer = await alice.client.post(f"/executions/{run_id}/replay", json=body)
    assert answer.status_code == 202, answer.text
    replay = answer.json()["id"]
    assert (await ended(alice, replay))["output"] == 4000
    step = (await steps_of(alice, replay))["make"]
    assert await get(alice, step["output_ref"]) == {"text": "y" * 4000}


async def test_an_error_agent_is_told_all_that_started_the_run(
    alice: Person, runtime: ExecutionRuntime, small: None
) -> None:
    listens = definition(node("start", "trigger.error"))
    listener = await published(alice, listens)
    fails = definition(node("start", "trigger.manual"), node("make", "action.code", code="1 / 0"))
    agent_id = await published(alice, fails)
    answer = await alice.client.put(f"/agents/{agent_id}", json={"settings": {"error_agent_id": listener}})
    assert answer.status_code == 200, answer.text
    await ended(alice, await start(alice, agent_id, text="é" * 3000))
    await tell_failures(1000)
    (told,) = (await alice.client.get("/executions", params={"agent_id": listener})).json()["data"]
    whole = await ended(alice, told["id"])
    assert whole["trigger_data"]["trigger_data"] == {"text": "é" * 3000}


async def test_who_called_a_run_gets_all_of_what_it_came_to(
    alice: Person, runtime: ExecutionRuntime, small: None
) -> None:
    inner = definition(node("start", "trigger.agent"), node("make", "action.code", code="'x' * 5000"))
    called = await published(alice, inner)
    outer = definition(
        node("start", "trigger.manual"),
        node("call", "action.run_agent", agent_id=called, input={}),
        node("size", "action.code", code="len(inputs['t'])", inputs={"t": "{{ node_call.output.output }}"}),
    )
    run = await ended(alice, await start(alice, await published(alice, outer)))
    assert (run["status"], run["output"]) == ("completed", 5000), run["error"]


async def test_nobody_else_reads_it(people: People, runtime: ExecutionRuntime, small: None) -> None:
    graph = definition(node("start", "trigger.manual"), node("make", "action.code", code="'x' * 5000"))
    run_id = await start(people.alice, await published(people.alice, graph))
    await ended(people.alice, run_id)
    address = (await steps_of(people.alice, run_id))["make"]["output_ref"].removeprefix("/api/v1")
    assert (await people.bob.client.get(address)).json() == "x" * 5000
    refused = await people.mallory.client.get(address)
    other = await start(people.mallory, await published(people.mallory, graph))
    elsewhere = address.replace(run_id, other)
    unknown = await people.mallory.client.get(f"/executions/{new_id()}/payloads/{new_id()}")
    assert refused.status_code == unknown.status_code == 404
    assert refused.json()["error"]["code"] == unknown.json()["error"]["code"] == "EXECUTION_NOT_FOUND"
    missing = await people.alice.client.get(f"/executions/{run_id}/payloads/{new_id()}")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "PAYLOAD_NOT_FOUND")
    await ended(people.mallory, other)
    # Hers has the same id, since it is the same; and it is hers.
    assert (await people.mallory.client.get(elsewhere)).status_code == 200


async def test_what_is_hidden_is_hidden_in_payloads_too(
    alice: Person, runtime: ExecutionRuntime, small: None
) -> None:
    await alice.client.put("/org", json={"settings": {"redact_fields": ["ssn"]}})
    code = "{'people': [{'ssn': inputs['ssn'], 'n': i} for i in range(500)]}"
    graph = definition(
        node("start", "trigger.manual"),
        node("make", "action.code", code=code, inputs={"ssn": "{{ trigger.data.ssn }}"}),
        node("pass", "action.set", values="{{ node_make.output }}"),
    )
    run_id = await start(alice, await published(alice, graph), ssn="canary-number", text="x" * 3000)
    run = await ended(alice, run_id)
    assert run["output"]["people"][499] == {"ssn": REDACTED, "n": 499}
    assert run["trigger_data"] == {"ssn": REDACTED, "text": "x" * 3000}
    async with database().transaction(alice.actor) as tx:
        given = {"id": UUID(run_id)}
        for table in ("payloads", "execution_steps", "execution_events"):
            query = text(
                f"SELECT count(*) FROM {table} t WHERE t.execution_id = :id AND t::text LIKE '%canary%'"
            )
            assert (await tx.execute(query, given)).scalar_one() == 0, table
    answer = await alice.client.post(f"/executions/{run_id}/replay", json={"from_node": "pass"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "NOT_REPLAYABLE")


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"max_output_mb": 1}, "The output is too large"),
        ({"max_output_mb": 8, "max_state_mb": 8}, "The steps put out too much together"),
        ({"max_run_steps": 2}, "This run has had 2 steps"),
    ],
    ids=["output", "state", "steps"],
)
async def test_a_limit_ends_the_run_with_its_reason(
    alice: Person, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int], told: str
) -> None:
    for name, value in limits.items():
        monkeypatch.setattr(current_settings(), name, value)
    agent_id = await published(alice, HANDED_ON)
    async with running():
        run = await ended(alice, await start(alice, agent_id))
    assert (run["status"], run["error"]["code"]) == ("failed", "LIMIT_EXCEEDED")
    assert run["error"]["message"].startswith(told)


async def test_no_rule_is_broken_and_a_lost_payload_is_found(
    alice: Person, runtime: ExecutionRuntime, postgres_url: str, small: None
) -> None:
    graph = definition(node("start", "trigger.manual"), node("make", "action.code", code="'x' * 5000"))
    run_id = await start(alice, await published(alice, graph))
    await ended(alice, run_id)
    with psycopg.connect(postgres_url) as connection:
        assert [each for each in breaches(connection) if run_id in each.id] == []
        connection.execute("DELETE FROM payloads WHERE execution_id = %s", [run_id])
        found = [each for each in breaches(connection) if each.rule == "lost_payloads"]
        connection.rollback()
    assert {each.id for each in found} == {run_id}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x" * 600, "x" * 500 + "…"),
        (list(range(30)), [*range(20), "… 10 more"]),
        ({str(n): n for n in range(30)}, {**{str(n): n for n in range(20)}, "…": "10 more"}),
        ([[[[[[1]]]]]], [[[[["…"]]]]]),
        (
            {"a": [], "b": {}, "c": None, "d": 1.5, "e": True},
            {"a": [], "b": {}, "c": None, "d": 1.5, "e": True},
        ),
    ],
)
def test_a_preview_has_the_shape_of_the_whole(value: Any, shown: Any) -> None:
    assert preview(value) == shown


def test_a_preview_tells_what_is_small_before_what_leaves_no_room() -> None:
    shown = preview({"rows": ["x" * 600] * 100, "n": 1})
    assert (shown["n"], shown["rows"][0]) == (1, "x" * 500 + "…")


@pytest.mark.parametrize(
    "value",
    [
        [["x" * 400] * 20] * 20,
        {"k" * 600 + str(n): {"v": "x" * 1000} for n in range(1000)},
        [[[[["x" * 100] * 50] * 50] * 50] * 50],
        [[1] * 1000] * 1000,
    ],
)
def test_a_preview_is_small_whatever_it_is_of(value: Any) -> None:
    assert len(dumps(preview(value))) < 4 * PREVIEW_ROOM


def test_the_same_value_is_kept_once(small: None) -> None:
    kept = Kept()
    (_, one), (_, two) = kept.keep(["x" * 3000]), kept.keep(["x" * 3000])
    assert kept.keep("x") == ("x", None)
    assert one == two
    assert len(kept.contents) == 1


def test_before_payloads_everything_stood_in_the_rows_and_there_it_stands_again(
    empty_postgres_url: str, settings: Settings
) -> None:
    config = settings.model_copy(update={"database_url": empty_postgres_url})
    migrations.upgrade(config)
    ids = {name: new_id() for name in ("org", "agent", "run", "step", "data", "out")}
    with migrations.owner_connection(config) as connection:
        for statement in FILLED:
            connection.execute(text(statement), ids)
        connection.commit()
    migrations.downgrade(config, "0023")
    with migrations.owner_connection(config) as connection:
        run = connection.execute(text("SELECT trigger, output FROM executions")).one()
        step = connection.execute(text("SELECT input_data, output_data FROM execution_steps")).one()
        event = connection.execute(text("SELECT event FROM execution_events")).scalar_one()
    assert tuple(run) == ({"data": {"whole": "data"}, "method": "POST"}, {"whole": "out"})
    assert tuple(step) == ({"whole": "data"}, {"whole": "out"})
    assert event == {"type": "step.completed", "seq": 1, "output": {"whole": "out"}}
    migrations.upgrade(config)
    with migrations.owner_connection(config) as connection:
        assert connection.execute(text("SELECT output FROM executions")).scalar_one() == {"whole": "out"}
        connection.execute(text("DELETE FROM organizations"))
        connection.commit()


FILLED = (
    "INSERT INTO organizations (id, name, slug, plan) VALUES (:org, 'Old', 'old-payloads', 'starter')",
    "INSERT INTO agents (id, org_id, name, slug, status, draft_revision, hook_hash, hook_sealed)"
    " VALUES (:agent, :org, 'Old', 'old', 'active', 1, 'hash-of-payloads', '')",
    "INSERT INTO executions (id, org_id, agent_id, options, triggered_by, trigger, trigger_ref, output,"
    " output_ref, status, dry_run, priority, total_tokens, total_cost, event_seq, cancel_requested, epoch,"
    ' claims, active_ms) VALUES (:run, :org, :agent, \'{}\', \'api\', \'{"data": "…", "method": "POST"}\','
    " :data, '\"…\"', :out, 'completed', false, 1, 0, 0, 1, false, 0, 0, 0)",
    "INSERT INTO payloads (execution_id, id, org_id, size, content) VALUES"
    ' (:run, :data, :org, 17, \'{"whole": "data"}\'), (:run, :out, :org, 16, \'{"whole": "out"}\')',
    "INSERT INTO execution_steps (id, org_id, execution_id, node_id, step_order, status, attempts,"
    " input_data, input_ref, output_data, output_ref, tokens_used, cost)"
    " VALUES (:step, :org, :run, 'a', 1, 'completed', 1, '\"…\"', :data, '\"…\"', :out, 0, 0)",
    "INSERT INTO execution_events (execution_id, seq, org_id, event) VALUES (:run, 1, :org,"
    " jsonb_build_object('type', 'step.completed', 'seq', 1, 'output_ref',"
    " '/api/v1/executions/x/payloads/' || cast(:out AS text)))",
)
