"""Steps that ask a person for data: one form, filled in once, by an editor."""

import asyncio
from typing import Any

import pytest

from agentflow_app.executions.runtime import ExecutionRuntime
from tests.actors import Person, definition, ended, node, published

SCHEMA = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "minLength": 2},
        "amount": {"type": "integer", "maximum": 10},
    },
    "required": ["reason"],
    "additionalProperties": False,
}
FORM = definition(
    node("start", "trigger.manual"),
    node("ask", "human.input", message="Why?", schema=SCHEMA),
    node("out", "action.set", values={"why": "{{ node_ask.output.data.reason }}"}),
    node("late", "action.set", values={"late": True}),
    edges=[("start", "ask"), ("ask", "out"), ("ask", "late", "expired")],
)


async def _asking(person: Person) -> dict[str, Any]:
    agent_id = await published(person, FORM)
    run = (await person.client.post(f"/agents/{agent_id}/execute", json={})).json()
    while run["status"] != "waiting":
        await asyncio.sleep(0.02)
        run = (await person.client.get(f"/executions/{run['id']}")).json()
    return dict(run)


async def _answer(person: Person, run: dict[str, Any], **body: Any) -> Any:
    return await person.client.post(f"/executions/{run['id']}/approve", json=body)


async def test_an_editor_fills_the_form_in(
    alice: Person, erin: Person, mallory: Person, runtime: ExecutionRuntime
) -> None:
    run = await _asking(alice)
    assert (run["waiting_for"]["kind"], run["waiting_for"]["message"]) == ("input", "Why?")
    (item,) = (await erin.client.get("/approvals")).json()["data"]
    assert (item["kind"], item["message"], item["input_schema"]) == ("input", "Why?", SCHEMA)
    assert (await mallory.client.get("/approvals")).json()["data"] == []
    assert (await _answer(mallory, run, data={"reason": "me"})).status_code == 404
    answer = await _answer(erin, run, step_id=item["step_id"], data={"reason": "{{ 7 * 7 }}"}, comment="ok")
    assert answer.status_code == 200, answer.text
    found = await ended(alice, run["id"])
    assert found["output"] == {"why": "{{ 7 * 7 }}"}
    steps = (await alice.client.get(f"/executions/{run['id']}/steps")).json()["data"]
    (step,) = [each for each in steps if each["node_id"] == "ask"]
    assert step["output_data"] == {
        "decision": "submitted",
        "comment": "ok",
        "data": {"reason": "{{ 7 * 7 }}"},
        "decided_by": str(erin.actor.user_id),
    }
    assert (await erin.client.get("/approvals")).json()["data"] == []
    again = await _answer(alice, run, data={"reason": "late"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "ALREADY_DECIDED")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "data"),
        ({"data": {}}, "data"),
        ({"data": {"reason": "x"}}, "data.reason"),
        ({"data": {"reason": "fine", "amount": 11}}, "data.amount"),
        ({"data": {"reason": "fine", "else": 1}}, "data"),
        ({"decision": "rejected", "data": {"reason": "fine"}}, "decision"),
    ],
    ids=str,
)
async def test_what_does_not_fit_is_refused_and_the_form_stays_open(
    alice: Person, runtime: ExecutionRuntime, body: dict[str, Any], field: str
) -> None:
    run = await _asking(alice)
    refused = await _answer(alice, run, **body)
    assert refused.status_code == 422, refused.text
    assert field in refused.json()["error"]["details"]["fields"]
    assert (await _answer(alice, run, decision="approved", data={"reason": "fine"})).status_code == 200
    assert (await ended(alice, run["id"]))["output"] == {"why": "fine"}


async def test_viewers_and_keys_do_not_fill_in_forms(
    alice: Person, bob: Person, runtime: ExecutionRuntime
) -> None:
    run = await _asking(alice)
    assert (await _answer(bob, run, data={"reason": "bob"})).status_code == 403
    assert (await bob.client.get("/approvals")).json()["data"] == []
    await alice.client.post(f"/executions/{run['id']}/cancel")
    await ended(alice, run["id"])
    over = await _answer(alice, run, data={"reason": "late"})
    assert (over.status_code, over.json()["error"]["code"]) == (409, "NOTHING_TO_APPROVE")


async def test_an_approval_still_needs_a_decision(alice: Person, runtime: ExecutionRuntime) -> None:
    graph = definition(node("start", "trigger.manual"), node("ask", "human.approval", message="?"))
    agent_id = await published(alice, graph)
    run = (await alice.client.post(f"/agents/{agent_id}/execute", json={})).json()
    while run["status"] != "waiting":
        await asyncio.sleep(0.02)
        run = (await alice.client.get(f"/executions/{run['id']}")).json()
    refused = await _answer(alice, run)
    assert (refused.status_code, list(refused.json()["error"]["details"]["fields"])) == (422, ["decision"])
    assert (await _answer(alice, run, decision="approved")).status_code == 200
    await ended(alice, run["id"])
