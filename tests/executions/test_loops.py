"""Loops through the API, on a worker's runtime and its journal in PostgreSQL."""

from typing import Any

from agentflow_app.executions.runtime import ExecutionRuntime
from tests.actors import Person, definition, ended, node, published
from tests.executions.test_running import _events, _execute, _until

REVIEWS = definition(
    node("start", "trigger.manual"),
    node("each", "logic.loop", items="{{ trigger.data.names }}", max_concurrency=2),
    node("doubtful", "logic.if_else", condition="item == 'bob'"),
    node("ask", "human.approval", message="Greet {{ item }}?"),
    node("greet", "action.template", template="{{ loop.index }}. Hello {{ item }}"),
    node("end", "action.set", values={"said": "{{ node_each.output.results }}"}),
    edges=[
        ("start", "each"),
        ("each", "doubtful", "each"),
        ("doubtful", "greet", "false"),
        ("doubtful", "ask", "true"),
        ("ask", "greet", "approved"),
        ("greet", "each"),
        ("each", "end", "done"),
    ],
)


async def _steps(person: Person, execution_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await person.client.get(f"/executions/{execution_id}/steps")).json()[
        "data"
    ]
    return found


async def test_a_loop_waits_in_one_round_and_goes_on(alice: Person, runtime: ExecutionRuntime) -> None:
    agent_id = await published(alice, REVIEWS)
    accepted = await _execute(alice, agent_id, trigger_data={"names": ["ada", "bob", "eve"]})
    waiting = await _until(alice, accepted["id"], "waiting")
    assert waiting["waiting_for"]["kind"] == "approval"
    assert waiting["waiting_for"]["message"] == "Greet bob?"
    before = await _steps(alice, accepted["id"])
    assert {(s["node_id"], tuple(s["iteration"])): s["status"] for s in before} == {
        ("start", ()): "completed",
        ("each", ()): "running",
        ("doubtful", (0,)): "completed",
        ("ask", (0,)): "skipped",
        ("greet", (0,)): "completed",
        ("doubtful", (1,)): "completed",
        ("ask", (1,)): "waiting_approval",
        ("doubtful", (2,)): "completed",
        ("ask", (2,)): "skipped",
        ("greet", (2,)): "completed",
    }
    step_id = waiting["waiting_for"]["step_id"]
    body = {"step_id": step_id, "decision": "approved"}
    answer = await alice.client.post(f"/executions/{accepted['id']}/approve", json=body)
    assert answer.status_code == 200, answer.text
    run = await ended(alice, accepted["id"])
    assert run["output"] == {
        "said": [{"text": "1. Hello ada"}, {"text": "2. Hello bob"}, {"text": "3. Hello eve"}]
    }
    steps = await _steps(alice, run["id"])
    assert len(steps) == len({(s["node_id"], tuple(s["iteration"])) for s in steps}) == 12
    events = await _events(alice, run["id"])
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    done = [(e["node_id"], tuple(e["iteration"])) for e in events if e["type"] == "step.completed"]
    assert len(done) == len(set(done))
    assert set(done) >= {("greet", (0,)), ("greet", (1,)), ("greet", (2,)), ("each", ()), ("end", ())}


async def test_what_a_loop_may_not_be_is_not_published(alice: Person) -> None:
    graph = definition(
        node("start", "trigger.manual"),
        node("each", "logic.loop", items=[1]),
        node("body", "action.template", template="{{ node_each.output.count }}"),
        node("end", "action.template", template="{{ node_body.output.text }} {{ item }}"),
        edges=[("start", "each"), ("each", "body", "each"), ("body", "end"), ("each", "end", "done")],
    )
    created = await alice.client.post("/agents", json={"name": "Wrong", "definition": graph})
    answer = await alice.client.post(f"/agents/{created.json()['id']}/publish", json={})
    assert answer.status_code == 422
    problems = answer.json()["error"]["details"]["problems"]
    assert {(each["code"], each["node_id"]) for each in problems if each["severity"] == "error"} == {
        ("LOOP_BOUNDARY", "body"),
        ("UNKNOWN_REFERENCE", "body"),
        ("UNKNOWN_REFERENCE", "end"),
    }


async def test_a_dry_run_of_a_loop(alice: Person, runtime: ExecutionRuntime) -> None:
    agent_id = await published(alice, REVIEWS)
    body = {"trigger_data": {"names": ["bob"]}}
    accepted = await alice.client.post(f"/agents/{agent_id}/test", json=body)
    assert accepted.status_code == 202, accepted.text
    run = await ended(alice, accepted.json()["id"])
    assert run["output"] == {"said": [{"text": "1. Hello bob"}]}
