"""Runs that go on after a failure, a cancel or their budget, and uncertain steps that somebody settles."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.executions.stream import follow
from engine.testing import LocalEgress
from tests.actors import REVIEW, Person, definition, ended, node, published
from tests.engine.http_server import Answer, Request, Server, serving

STEADY = [
    node("start", "trigger.manual"),
    node("first", "ai.chat", model="demo", prompt="Say hello"),
]


def broken(template: str) -> dict[str, Any]:
    return definition(
        *STEADY,
        node("second", "action.template", template=template),
        node("third", "action.template", template="{{ node_second.output.text }}!"),
    )


async def start(person: Person, agent_id: str, **data: Any) -> str:
    answer = await person.client.post(f"/agents/{agent_id}/execute", json={"trigger_data": data})
    execution_id: str = answer.json()["id"]
    return execution_id


async def steps_of(person: Person, execution_id: str) -> dict[str, dict[str, Any]]:
    found = (await person.client.get(f"/executions/{execution_id}/steps?limit=100")).json()["data"]
    return {step["node_id"]: step for step in found}


async def events_of(person: Person, execution_id: str) -> list[dict[str, Any]]:
    found = [event async for event in follow(person.actor, UUID(execution_id)) if "seq" in event]
    assert [event["seq"] for event in found] == list(range(1, len(found) + 1))
    return found


async def until(person: Person, execution_id: str, kind: str) -> dict[str, Any]:
    async for event in follow(person.actor, UUID(execution_id)):
        if event["type"] == kind:
            return event
    raise AssertionError(f"It ended without {kind}")


async def usage_of(person: Person, execution_id: str) -> dict[str, int]:
    query = text("SELECT record_type, quantity FROM usage_records WHERE execution_id = :id")
    async with database().transaction(person.actor) as tx:
        return {row[0]: row[1] for row in await tx.execute(query, {"id": UUID(execution_id)})}


async def test_a_failed_run_goes_on_with_a_version_that_mends_it(
    alice: Person, runtime: ExecutionRuntime
) -> None:
    agent_id = await published(alice, broken("{{ trigger.data.missing.path }}"))
    run_id = await start(alice, agent_id)
    failed = await ended(alice, run_id)
    before = await steps_of(alice, run_id)
    assert (failed["status"], before["third"]["status"]) == ("failed", "skipped")
    mended = broken("mended")
    await alice.client.post(f"/agents/{agent_id}/publish", json={"definition": mended})
    answer = await alice.client.post(f"/executions/{run_id}/resume", json={"version": 2})
    assert answer.status_code == 202, answer.text
    accepted = answer.json()
    assert (accepted["id"], accepted["agent_version"], accepted["error"]) == (run_id, 2, None)
    assert (accepted["status"], accepted["completed_at"]) == ("pending", None)
    run = await ended(alice, run_id)
    assert (run["status"], run["output"], run["error"]) == ("completed", {"text": "mended!"}, None)
    after = await steps_of(alice, run_id)
    assert after["first"] == before["first"]
    assert {name: step["status"] for name, step in after.items()} == dict.fromkeys(after, "completed")
    assert [step["id"] for step in after.values()] == [step["id"] for step in before.values()]
    events = await events_of(alice, run_id)
    kinds = [event["type"] for event in events if event["type"].startswith("execution.")]
    assert kinds == ["execution.started", "execution.failed", "execution.resumed", "execution.completed"]
    done = [event["node_id"] for event in events if event["type"] == "step.completed"]
    assert sorted(done) == ["first", "second", "start", "third"]
    audit = (await alice.client.get("/org/audit-logs?action=execution.resumed")).json()["data"]
    assert [entry["details"] for entry in audit] == [{"version": 2}]


async def test_what_a_resumed_run_consumed_is_billed_once_and_wholly(
    alice: Person, runtime: ExecutionRuntime
) -> None:
    graph = definition(
        *STEADY,
        node("second", "ai.chat", model="demo", prompt="{{ trigger.data.missing }}"),
    )
    agent_id = await published(alice, graph)
    run_id = await start(alice, agent_id)
    first = (await ended(alice, run_id))["total_tokens"]
    assert first > 0
    assert await usage_of(alice, run_id) == {"execution": 1, "tokens": first}
    graph["nodes"][-1]["config"]["prompt"] = "Say more"
    await alice.client.post(f"/agents/{agent_id}/publish", json={"definition": graph})
    await alice.client.post(f"/executions/{run_id}/resume", json={"version": 2})
    run = await ended(alice, run_id)
    assert run["total_tokens"] > first
    assert run["total_tokens"] == sum(s["tokens_used"] for s in (await steps_of(alice, run_id)).values())
    assert await usage_of(alice, run_id) == {"execution": 1, "tokens": run["total_tokens"]}


async def test_a_version_that_lost_what_has_run_is_refused_by_name(
    alice: Person, runtime: ExecutionRuntime
) -> None:
    agent_id = await published(alice, broken("{{ trigger.data.missing.path }}"))
    run_id = await start(alice, agent_id)
    await ended(alice, run_id)
    other = definition(
        node("start", "trigger.manual"),
        node("before", "action.template", template="x"),
        node("first", "action.template", template="x"),
        node("second", "action.template", template="mended"),
    )
    await alice.client.post(f"/agents/{agent_id}/publish", json={"definition": other})
    answer = await alice.client.post(f"/executions/{run_id}/resume", json={"version": 2})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "VERSION_MISMATCH")
    assert answer.json()["error"]["details"]["nodes"] == [{"node_id": "first", "reason": "kind"}]
    assert "first" in answer.json()["error"]["message"]
    gone = await alice.client.post(f"/executions/{run_id}/resume", json={"version": 9})
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "VERSION_NOT_FOUND")
    assert (await alice.client.get(f"/executions/{run_id}")).json()["status"] == "failed"


async def test_only_what_stopped_goes_on(alice: Person, runtime: ExecutionRuntime) -> None:
    agent_id = await published(alice, REVIEW)
    run_id = await start(alice, agent_id)
    await until(alice, run_id, "execution.waiting")
    url = f"/executions/{run_id}/resume"
    waiting = await alice.client.post(url)
    assert (waiting.status_code, waiting.json()["error"]["code"]) == (409, "NOT_RESUMABLE")
    await alice.client.post(f"/executions/{run_id}/cancel")
    assert (await ended(alice, run_id))["status"] == "cancelled"
    assert (await alice.client.post(url)).status_code == 202
    again = await alice.client.post(url)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "NOT_RESUMABLE")
    events = follow(alice.actor, UUID(run_id))
    waits = 0
    async for event in events:
        waits += event["type"] == "execution.waiting"
        if waits == 2:
            break
    approved = await alice.client.post(f"/executions/{run_id}/approve", json={"decision": "rejected"})
    assert approved.status_code == 200, approved.text
    run = await ended(alice, run_id)
    assert (run["status"], run["output"]) == ("completed", {"text": "dropped"})
    over = await alice.client.post(url)
    assert (over.status_code, over.json()["error"]["code"]) == (409, "NOT_RESUMABLE")


async def test_a_run_stops_at_its_step_budget_and_goes_on_with_a_larger_one(
    alice: Person, runtime: ExecutionRuntime
) -> None:
    graph = definition(
        node("start", "trigger.manual"),
        *(node(name, "action.template", template=name) for name in ("a", "b", "c")),
    )
    agent_id = await published(alice, graph, settings={"max_steps": 2})
    run_id = await start(alice, agent_id)
    event = await until(alice, run_id, "execution.waiting")
    waiting = (await alice.client.get(f"/executions/{run_id}")).json()
    assert waiting["status"] == "waiting"
    assert waiting["waiting_for"] == event["waiting_for"]
    assert {name: waiting["waiting_for"][name] for name in ("kind", "steps", "max_steps")} == {
        "kind": "budget",
        "steps": 2,
        "max_steps": 2,
    }
    assert {n: s["status"] for n, s in (await steps_of(alice, run_id)).items()} == {
        "start": "completed",
        "a": "completed",
        "b": "waiting",
    }
    body = {"settings": {"max_steps": 10}}
    assert (await alice.client.post(f"/executions/{run_id}/resume", json=body)).status_code == 202
    run = await ended(alice, run_id)
    assert (run["status"], run["output"]) == ("completed", {"text": "c"})
    bad = await alice.client.post(f"/executions/{run_id}/resume", json={"settings": {"max_retries": 1}})
    assert bad.status_code == 422


async def test_a_run_that_took_too_long_gets_more_time(alice: Person, runtime: ExecutionRuntime) -> None:
    graph = definition(
        node("start", "trigger.manual"),
        node("nap", "logic.delay", seconds=2),
        node("after", "action.template", template="rested"),
    )
    agent_id = await published(alice, graph, settings={"timeout_seconds": 0.3})
    run_id = await start(alice, agent_id)
    failed = await ended(alice, run_id)
    assert (failed["status"], failed["error"]["code"]) == ("failed", "EXECUTION_TIMEOUT")
    body = {"settings": {"timeout_seconds": 60}}
    assert (await alice.client.post(f"/executions/{run_id}/resume", json=body)).status_code == 202
    assert (await ended(alice, run_id))["output"] == {"text": "rested"}


async def test_a_loop_goes_on_with_the_item_that_failed(alice: Person, runtime: ExecutionRuntime) -> None:
    def looping(template: str) -> dict[str, Any]:
        return definition(
            node("start", "trigger.manual"),
            node("each", "logic.loop", items="{{ trigger.data.items }}"),
            node("body", "action.template", template=template),
            node("inner", "logic.loop", items="{{ [item] }}"),
            node("deep", "action.template", template="{{ node_body.output.text }}"),
            node("end", "action.set", values={"all": "{{ node_each.output.results }}"}),
            edges=[
                ("start", "each"),
                ("each", "body", "each"),
                ("body", "inner"),
                ("inner", "deep", "each"),
                ("deep", "inner"),
                ("inner", "each", "done"),
                ("each", "end", "done"),
            ],
        )

    agent_id = await published(alice, looping("{{ 6 // item }}"))
    run_id = await start(alice, agent_id, items=[1, 0, 3])
    assert (await ended(alice, run_id))["status"] == "failed"
    mended = looping("{{ 6 // (item or 1) }}")
    assert (
        await alice.client.post(f"/agents/{agent_id}/publish", json={"definition": mended})
    ).status_code == 201
    answer = await alice.client.post(f"/executions/{run_id}/resume", json={"version": 2})
    assert answer.status_code == 202, answer.text
    run = await ended(alice, run_id)
    assert run["status"] == "completed", run["error"]
    assert [each["results"] for each in run["output"]["all"]] == [
        [{"text": "6"}],
        [{"text": "6"}],
        [{"text": "2"}],
    ]
    rows = (await alice.client.get(f"/executions/{run_id}/steps?limit=100")).json()["data"]
    assert {(s["node_id"], tuple(s["iteration"])): s["status"] for s in rows} == {
        ("start", ()): "completed",
        ("each", ()): "completed",
        ("end", ()): "completed",
        **{(name, (n,)): "completed" for name in ("body", "inner") for n in range(3)},
        **{("deep", (n, 0)): "completed" for n in range(3)},
    }
    done = [
        (event["node_id"], tuple(event["iteration"]))
        for event in await events_of(alice, run_id)
        if event["type"] == "step.completed"
    ]
    assert len(done) == len(set(done))


@asynccontextmanager
async def paying(alice: Person, local_egress: LocalEgress) -> AsyncIterator[tuple[str, Server]]:
    """A run whose payment was cut off: nobody knows whether it happened."""

    def answer(request: Request) -> Answer:
        return Answer(200 if len(server.requests) > 1 else 500, {"paid": len(server.requests)})

    async with serving(answer) as server:
        pay = {**node("pay", "action.http_request", url=server.url, method="POST"), "repeat": "never"}
        graph = definition(
            node("start", "trigger.manual"),
            pay,
            node("after", "action.set", values={"told": "{{ node_pay.output.body.paid }}"}),
        )
        run_id = await start(alice, await published(alice, graph))
        await until(alice, run_id, "execution.waiting")
        yield run_id, server


@pytest.mark.parametrize(
    ("body", "status", "output", "requests"),
    [
        ({"outcome": "done", "output": {"body": {"paid": 7}}}, "completed", {"told": 7}, 1),
        ({"outcome": "retry"}, "completed", {"told": 2}, 2),
        ({"outcome": "failed"}, "failed", None, 1),
    ],
)
async def test_an_uncertain_step_is_settled_once(
    alice: Person,
    bob: Person,
    mallory: Person,
    runtime: ExecutionRuntime,
    local_egress: LocalEgress,
    body: dict[str, Any],
    status: str,
    output: Any,
    requests: int,
) -> None:
    async with paying(alice, local_egress) as (run_id, server):
        steps = await steps_of(alice, run_id)
        assert steps["pay"]["status"] == "uncertain"
        url = f"/executions/{run_id}/steps/{steps['pay']['id']}/resolve"
        assert (await bob.client.post(url, json=body)).status_code == 403
        assert (await mallory.client.post(url, json=body)).status_code == 404
        unknown = await alice.client.post(f"/executions/{run_id}/steps/{new_id()}/resolve", json=body)
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "STEP_NOT_FOUND")
        settled = f"/executions/{run_id}/steps/{steps['start']['id']}/resolve"
        assert (await alice.client.post(settled, json=body)).status_code == 409
        answer = await alice.client.post(url, json=body)
        assert answer.status_code == 202, answer.text
        again = await alice.client.post(url, json=body)
        assert (again.status_code, again.json()["error"]["code"]) == (409, "NOT_UNCERTAIN")
        run = await ended(alice, run_id)
        assert (run["status"], run["output"]) == (status, output)
        assert len(server.requests) == requests
        keys = {request.headers["idempotency-key"] for request in server.requests}
        assert len(keys) == 1
        assert await _told(alice, run_id) == ["execution.step_resolved"]


async def _told(person: Person, run_id: str) -> list[str]:
    """What the audit trail says that the person did to the run."""
    query = {"resource_id": run_id, "user_id": str(person.actor.user_id), "sort": "seq", "order": "asc"}
    entries = await person.client.get("/org/audit-logs", params=query)
    return [entry["action"] for entry in entries.json()["data"]]


async def test_a_cancelled_payment_is_asked_about_and_not_repeated(
    alice: Person, runtime: ExecutionRuntime, local_egress: LocalEgress
) -> None:
    async with paying(alice, local_egress) as (run_id, server):
        await alice.client.post(f"/executions/{run_id}/cancel")
        assert (await ended(alice, run_id))["status"] == "cancelled"
        assert (await alice.client.post(f"/executions/{run_id}/resume")).status_code == 202
        uncertain = 0
        async for event in follow(alice.actor, UUID(run_id)):
            uncertain += event["type"] == "step.uncertain"
            if uncertain == 2:
                break
        pay = (await steps_of(alice, run_id))["pay"]
        assert (pay["status"], len(server.requests)) == ("uncertain", 1)
        assert await _told(alice, run_id) == ["execution.cancelled", "execution.resumed"]
        run = (await alice.client.get(f"/executions/{run_id}")).json()
        assert run["triggered_by_user"] == str(alice.actor.user_id)


async def test_a_run_whose_values_are_hidden_does_not_go_on(alice: Person, runtime: ExecutionRuntime) -> None:
    await alice.client.put("/org", json={"settings": {"redact_fields": ["ssn"]}})
    graph = definition(
        node("start", "trigger.manual"),
        node("bad", "action.template", template="{{ trigger.data.missing.path }}"),
    )
    agent_id = await published(alice, graph)
    for data, status in (({"ssn": "1"}, 409), ({"name": "Ada"}, 202)):
        run_id = await start(alice, agent_id, **data)
        await ended(alice, run_id)
        answer = await alice.client.post(f"/executions/{run_id}/resume")
        assert answer.status_code == status, answer.text
