"""Executions end to end on a worker's runtime: start, steps, logs, events, cancel, approve, test."""

import asyncio
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlmodel import col

from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.executions.models import Execution, UsageRecord
from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.executions.stream import follow
from tests.actors import GREETING, REVIEW, Person, definition, ended, join, node, published

FIVE = definition(
    node("start", "trigger.manual"),
    node("one", "action.set", values={"n": "{{ trigger.data.n }}"}),
    node("two", "action.template", template="n is {{ node_one.output.n }}"),
    node("check", "logic.if_else", condition="{{ node_one.output.n > 1 }}"),
    node("big", "action.set", values={"size": "big"}),
    node("small", "action.set", values={"size": "small"}),
    edges=[
        ("start", "one"),
        ("one", "two"),
        ("two", "check"),
        ("check", "big", "true"),
        ("check", "small", "false"),
    ],
)


async def _execute(person: Person, agent_id: str, **body: Any) -> dict[str, Any]:
    answer = await person.client.post(f"/agents/{agent_id}/execute", json=body)
    assert answer.status_code == 202, answer.text
    accepted: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/api/v1/executions/{accepted['id']}"
    return accepted


async def _events(person: Person, execution_id: str, after: int = 0) -> list[dict[str, Any]]:
    return [e async for e in follow(person.actor, UUID(execution_id), after) if "seq" in e]


async def test_a_run_leaves_steps_events_and_totals(alice: Person, runtime: ExecutionRuntime) -> None:
    agent_id = await published(alice, FIVE)
    accepted = await _execute(alice, agent_id, trigger_data={"n": 5})
    assert accepted["status"] == "pending"
    assert accepted["triggered_by"] == "api"
    run = await ended(alice, accepted["id"])
    assert (run["status"], run["output"], run["error"]) == ("completed", {"size": "big"}, None)
    assert run["agent_version"] == 1
    assert run["trigger_data"] == {"n": 5}
    assert run["duration_ms"] >= 0
    assert run["total_cost"] == "0"
    steps = (await alice.client.get(f"/executions/{run['id']}/steps")).json()["data"]
    assert {s["node_id"]: s["status"] for s in steps} == {
        "start": "completed",
        "one": "completed",
        "two": "completed",
        "check": "completed",
        "big": "completed",
        "small": "skipped",
    }
    two = next(s for s in steps if s["node_id"] == "two")
    assert two["output_data"]["text"] == "n is 5"
    assert two["iteration"] == []
    assert two["attempts"] == 1
    events = await _events(alice, run["id"])
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    assert events[0]["type"] == "execution.started"
    assert events[-1]["type"] == "execution.completed"
    assert events[-1]["output"] == {"size": "big"}
    assert {e["execution_id"] for e in events} == {run["id"]}
    middle = len(events) // 2
    assert await _events(alice, run["id"], middle) == events[middle:]
    async with database().transaction(alice.actor) as tx:
        usage = await tx.execute(select(UsageRecord).where(col(UsageRecord.execution_id) == UUID(run["id"])))
        assert {r.record_type: r.quantity for r in usage.scalars()} == {"execution": 1, "tokens": 0}


async def test_fifty_runs_at_once_all_end(alice: Person, runtime: ExecutionRuntime) -> None:
    agent_id = await published(alice, FIVE)
    accepted = await asyncio.gather(*(_execute(alice, agent_id, trigger_data={"n": n}) for n in range(50)))
    runs = await asyncio.gather(*(ended(alice, each["id"]) for each in accepted))
    assert {run["status"] for run in runs} == {"completed"}
    assert len({run["id"] for run in runs}) == 50
    page = (await alice.client.get("/executions", params={"limit": 100, "status": "completed"})).json()
    assert len(page["data"]) == 50


async def test_wait_answers_with_the_end(alice: Person, runtime: ExecutionRuntime) -> None:
    agent_id = await published(alice, GREETING)
    answer = await alice.client.post(
        f"/agents/{agent_id}/execute?wait=30", json={"trigger_data": {"name": "Ada"}}
    )
    assert answer.status_code == 200
    assert answer.json()["output"]["text"] == "Hello Ada"


async def test_wait_gives_up_with_202(alice: Person, runtime: ExecutionRuntime) -> None:
    agent_id = await published(alice, REVIEW)
    answer = await alice.client.post(f"/agents/{agent_id}/execute?wait=0.2", json={})
    assert answer.status_code == 202


async def test_an_idempotent_start_gives_the_first_execution(
    alice: Person, runtime: ExecutionRuntime
) -> None:
    agent_id = await published(alice, GREETING)
    headers = {"Idempotency-Key": new_id().hex}
    url = f"/agents/{agent_id}/execute"
    first = await alice.client.post(url, json={"trigger_data": {"n": 1}}, headers=headers)
    again = await alice.client.post(url, json={"trigger_data": {"n": 1}}, headers=headers)
    assert first.json()["id"] == again.json()["id"]
    other = await alice.client.post(url, json={"trigger_data": {"n": 2}}, headers=headers)
    assert other.status_code == 409
    assert len((await alice.client.get("/executions")).json()["data"]) == 1


async def test_a_failed_run_says_what_and_where(alice: Person, runtime: ExecutionRuntime) -> None:
    graph = definition(
        node("start", "trigger.manual"),
        node("bad", "action.template", template="{{ trigger.data.missing.path }}"),
        node("after", "action.set", values={}),
    )
    agent_id = await published(alice, graph)
    run = await ended(alice, (await _execute(alice, agent_id))["id"])
    assert run["status"] == "failed"
    assert run["error"]["node_id"] == "bad"
    assert "missing" in run["error"]["message"]
    steps = (await alice.client.get(f"/executions/{run['id']}/steps")).json()["data"]
    assert {s["node_id"]: s["status"] for s in steps}["after"] == "skipped"
    overview = (await alice.client.get("/agents")).json()["data"][0]["stats"]
    assert overview["success_rate"] == 0


async def test_the_input_schema_is_enforced(alice: Person) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    graph = definition(
        node("start", "trigger.manual", input_schema=schema), node("a", "action.set", values={})
    )
    agent_id = await published(alice, graph)
    for data in ({}, {"n": "x"}):
        answer = await alice.client.post(f"/agents/{agent_id}/execute", json={"trigger_data": data})
        assert answer.status_code == 422
    assert (await alice.client.get("/executions")).json()["data"] == []


async def _until(person: Person, execution_id: str, status: str) -> dict[str, Any]:
    """The execution once it has `status`, told by its events."""
    async for event in follow(person.actor, UUID(execution_id)):
        if event["type"] == f"execution.{status}":
            break
    found: dict[str, Any] = (await person.client.get(f"/executions/{execution_id}")).json()
    return found


async def test_an_approval_parks_and_goes_on(alice: Person, runtime: ExecutionRuntime) -> None:
    agent_id = await published(alice, REVIEW)
    accepted = await _execute(alice, agent_id)
    waiting = await _until(alice, accepted["id"], "waiting")
    assert waiting["status"] == "waiting"
    assert waiting["waiting_for"]["kind"] == "approval"
    inbox = (await alice.client.get("/approvals")).json()["data"]
    assert [(a["message"], a["show"], a["editable"]) for a in inbox] == [("Send it?", {"text": "hi"}, True)]
    assert waiting["waiting_for"]["step_id"] == inbox[0]["step_id"]
    url = f"/executions/{accepted['id']}/approve"
    decision = {"decision": "approved", "comment": "fine", "data": {"text": "hello"}}
    assert (await alice.client.post(url, json=decision)).status_code == 200
    run = await ended(alice, accepted["id"])
    assert (run["status"], run["output"]["text"]) == ("completed", "sent hello")
    again = await alice.client.post(url, json=decision)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "ALREADY_DECIDED")
    steps = {
        s["node_id"]: s for s in (await alice.client.get(f"/executions/{run['id']}/steps")).json()["data"]
    }
    assert steps["review"]["output_data"]["decided_by"] == str(alice.actor.user_id)
    assert steps["dropped"]["status"] == "skipped"


async def test_two_approvers_make_one_decision(alice: Person, runtime: ExecutionRuntime) -> None:
    agent_id = await published(alice, REVIEW)
    accepted = await _execute(alice, agent_id)
    await _until(alice, accepted["id"], "waiting")
    url = f"/executions/{accepted['id']}/approve"
    answers = await asyncio.gather(
        *(alice.client.post(url, json={"decision": d}) for d in ("approved", "rejected") * 3)
    )
    assert sorted(a.status_code for a in answers) == [200, 409, 409, 409, 409, 409]
    assert (await ended(alice, accepted["id"]))["status"] == "completed"


async def test_who_may_approve(
    alice: Person, bob: Person, mallory: Person, runtime: ExecutionRuntime
) -> None:
    graph = definition(
        node("start", "trigger.manual"), node("ask", "human.approval", message="?", approvers=["admin"])
    )
    agent_id = await published(alice, graph)
    accepted = await _execute(alice, agent_id)
    await _until(alice, accepted["id"], "waiting")
    url = f"/executions/{accepted['id']}/approve"
    body = {"decision": "approved"}
    assert (await mallory.client.post(url, json=body)).status_code == 404
    assert (await bob.client.post(url, json=body)).status_code == 403
    assert (await alice.client.post(url, json=body)).status_code == 403
    assert (await alice.client.get("/approvals")).json()["data"] == []
    carol = await join(alice.client._transport.app, alice, "carol", "admin")  # type: ignore[attr-defined]
    edited = await carol.client.post(url, json=body | {"data": {"x": 1}})
    assert edited.status_code == 422
    unknown = await carol.client.post(url, json=body | {"step_id": str(new_id())})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "STEP_NOT_FOUND")
    assert (await carol.client.post(url, json=body)).status_code == 200
    assert (await ended(alice, accepted["id"]))["status"] == "completed"
    await carol.client.aclose()


async def test_an_approval_that_nobody_gives_expires(alice: Person, runtime: ExecutionRuntime) -> None:
    graph = definition(
        node("start", "trigger.manual"),
        node("ask", "human.approval", message="?", timeout_seconds=3600),
        node("late", "action.template", template="too late"),
        edges=[("start", "ask"), ("ask", "late", "expired")],
    )
    agent_id = await published(alice, graph)
    accepted = await _execute(alice, agent_id)
    await _until(alice, accepted["id"], "waiting")
    async with database().transaction(alice.actor) as tx:
        params = {"id": accepted["id"]}
        await tx.execute(
            text(
                "UPDATE execution_steps SET wait_until = now()"
                " WHERE execution_id = :id AND status = 'waiting_approval'"
            ),
            params,
        )
        await tx.execute(text("UPDATE executions SET wake_at = now() WHERE id = :id"), params)
    runtime.poke()
    run = await ended(alice, accepted["id"])
    assert run["output"]["text"] == "too late"


@pytest.mark.parametrize("parked", [True, False])
async def test_cancel(alice: Person, runtime: ExecutionRuntime, parked: bool) -> None:
    slow = definition(node("start", "trigger.manual"), node("wait", "logic.delay", seconds=4))
    agent_id = await published(alice, REVIEW if parked else slow)
    accepted = await _execute(alice, agent_id)
    if parked:
        await _until(alice, accepted["id"], "waiting")
    else:
        async for event in follow(alice.actor, UUID(accepted["id"])):
            if event["type"] == "step.started" and event["node_id"] == "wait":
                break
    answer = await alice.client.post(f"/executions/{accepted['id']}/cancel")
    assert answer.status_code == 202
    run = await ended(alice, accepted["id"])
    assert run["status"] == "cancelled"
    steps = {
        s["node_id"]: s["status"]
        for s in (await alice.client.get(f"/executions/{run['id']}/steps")).json()["data"]
    }
    assert steps["review" if parked else "wait"] == "cancelled"
    again = await alice.client.post(f"/executions/{accepted['id']}/cancel")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "EXECUTION_ENDED")
    late = await alice.client.post(f"/executions/{accepted['id']}/approve", json={"decision": "approved"})
    assert late.status_code == 409


async def test_a_pending_run_is_cancelled_before_it_begins(alice: Person) -> None:
    from tests.actors import running

    agent_id = await published(alice, GREETING)
    accepted = await _execute(alice, agent_id)
    assert (await alice.client.post(f"/executions/{accepted['id']}/cancel")).status_code == 202
    async with running():
        run = await ended(alice, accepted["id"])
    assert run["status"] == "cancelled"


async def test_a_dry_run_touches_nothing_and_is_not_billed(alice: Person, runtime: ExecutionRuntime) -> None:
    graph = definition(
        node("start", "trigger.manual"),
        node("call", "action.http_request", method="POST", url="https://example.com/{{ trigger.data.x }}"),
        node("ask", "human.approval", message="?"),
        node("tell", "action.template", template="{{ node_call.output.body.id }} for {{ trigger.data.x }}"),
        edges=[("start", "call"), ("call", "ask"), ("ask", "tell", "approved")],
    )
    agent = (await alice.client.post("/agents", json={"name": "Dry", "definition": graph})).json()
    answer = await alice.client.post(f"/agents/{agent['id']}/test?wait=30", json={"trigger_data": {"x": "7"}})
    run = answer.json()
    assert (run["status"], run["dry_run"], run["triggered_by"]) == ("completed", True, "test")
    steps = {
        s["node_id"]: s for s in (await alice.client.get(f"/executions/{run['id']}/steps")).json()["data"]
    }
    assert steps["call"]["output_data"]["dry_run"] is True
    assert steps["call"]["output_data"]["would"]["url"] == "https://example.com/7"
    async with database().transaction(alice.actor) as tx:
        usage = await tx.execute(select(UsageRecord).where(col(UsageRecord.execution_id) == UUID(run["id"])))
        assert usage.scalars().all() == []
    pinned = await alice.client.post(
        f"/agents/{agent['id']}/test?wait=30",
        json={
            "trigger_data": {"x": "7"},
            "pins": {"call": {"status": 200, "headers": {}, "body": {"id": 42}}},
        },
    )
    assert pinned.json()["output"]["text"] == "42 for 7"


async def test_a_dry_run_names_unknown_nodes_and_problems(alice: Person) -> None:
    agent = (await alice.client.post("/agents", json={"name": "Dry", "definition": GREETING})).json()
    url = f"/agents/{agent['id']}/test"
    unknown = await alice.client.post(url, json={"until_node": "zz", "pins": {"yy": 1}})
    assert unknown.status_code == 422
    assert set(unknown.json()["error"]["details"]["fields"]) == {"until_node", "pins.yy"}
    broken = await alice.client.post(url, json={"definition": definition(node("a", "action.zz"))})
    assert (broken.status_code, broken.json()["error"]["code"]) == (422, "INVALID_DEFINITION")


async def test_an_agent_at_its_limit_keeps_the_order(alice: Person, runtime: ExecutionRuntime) -> None:
    graph = definition(node("start", "trigger.manual"), node("wait", "logic.delay", seconds=0.05))
    agent_id = await published(alice, graph, settings={"concurrency_limit": 1})
    accepted = [await _execute(alice, agent_id) for _ in range(4)]
    runs = await asyncio.gather(*(ended(alice, each["id"]) for each in accepted))
    starts = [(run["started_at"], run["completed_at"]) for run in runs]
    assert starts == sorted(starts)
    assert all(later[0] >= earlier[1] for earlier, later in pairwise(starts))


async def test_runs_of_another_organization_do_not_exist(alice: Person, mallory: Person) -> None:
    agent_id = await published(alice, GREETING)
    run = await _execute(alice, agent_id)
    for path in ("", "/steps", "/logs", "/events"):
        theirs = await mallory.client.get(f"/executions/{run['id']}{path}")
        assert (theirs.status_code, theirs.json()["error"]["code"]) == (404, "EXECUTION_NOT_FOUND")
    for path, body in (("/cancel", None), ("/approve", {"decision": "approved"})):
        assert (await mallory.client.post(f"/executions/{run['id']}{path}", json=body)).status_code == 404
    assert (await mallory.client.get("/executions")).json()["data"] == []
    assert (await alice.client.get(f"/executions/{run['id']}")).json()["status"] == "pending"


async def test_the_list_filters_and_searches(alice: Person, runtime: ExecutionRuntime) -> None:
    greeter = await published(alice, GREETING)
    other = await published(alice, GREETING, description="x")
    await alice.client.put(f"/agents/{other}", json={"name": "Quite different"})
    run = await ended(alice, (await _execute(alice, greeter))["id"])
    await ended(alice, (await _execute(alice, other))["id"])

    async def found(**params: str) -> list[str]:
        page = (await alice.client.get("/executions", params=params)).json()
        return [each["agent_id"] for each in page["data"]]

    assert await found() == [other, greeter]
    assert await found(agent_id=greeter) == [greeter]
    assert await found(search="different") == [other]
    assert await found(search=run["id"]) == [greeter]
    assert await found(status="failed") == []
    assert await found(triggered_by="api") == [other, greeter]
    assert (await alice.client.get(f"/agents/{greeter}/executions")).json()["data"][0]["id"] == run["id"]


async def test_a_run_that_keeps_killing_its_worker_is_given_up(alice: Person) -> None:
    from tests.actors import running

    agent_id = await published(alice, GREETING)
    accepted = await _execute(alice, agent_id)
    async with database().transaction(alice.actor) as tx:
        await tx.execute(update(Execution).where(col(Execution.id) == UUID(accepted["id"])).values(claims=5))
    async with running():
        run = await ended(alice, accepted["id"])
    assert (run["status"], run["error"]["code"]) == ("failed", "WORKER_CRASHED")


async def test_the_overview_counts(alice: Person, runtime: ExecutionRuntime) -> None:
    from agentflow_app.analytics.service import AnalyticsService

    good = await published(alice, GREETING)
    bad = await published(alice, definition(node("a", "action.template", template="{{ trigger.data.zz }}")))
    review = await published(alice, REVIEW)
    await ended(alice, (await _execute(alice, good))["id"])
    await ended(alice, (await _execute(alice, bad))["id"])
    await _until(alice, (await _execute(alice, review))["id"], "waiting")
    async with database().transaction(alice.actor) as tx:
        overview = await AnalyticsService(tx, alice.actor).overview()
    assert (overview.runs_today, overview.success_rate, overview.waiting_approvals) == (3, 0.5, 1)
    assert [(str(each.agent_id), each.failures) for each in overview.failing_agents] == [(bad, 1)]
    assert len(overview.recent) == 3
