"""Steps that wait for a call: their address is their credential, and good for one call."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from agentflow_app.executions.addresses import resume_url
from agentflow_app.executions.runtime import ExecutionRuntime
from tests.actors import Person, definition, ended, node, published

WAITING = definition(
    node("start", "trigger.manual"),
    node("call", "logic.wait_webhook"),
    node("out", "action.set", values={"got": "{{ node_call.output.data }}"}),
)


async def _waiting(person: Person, graph: dict[str, Any] = WAITING) -> dict[str, Any]:
    """The execution, once it waits for a call."""
    agent_id = await published(person, graph)
    run = (await person.client.post(f"/agents/{agent_id}/execute", json={})).json()
    while run["status"] != "waiting":
        await asyncio.sleep(0.02)
        run = (await person.client.get(f"/executions/{run['id']}")).json()
    return dict(run)


def _path(run: dict[str, Any]) -> str:
    return str(run["waiting_for"]["resume_url"]).removeprefix("/api/v1")


@pytest.mark.parametrize(
    ("sent", "data"),
    [
        ({"json": {"a": 1}}, {"a": 1}),
        ({"content": b"plain {{ 7 * 7 }}"}, {"text": "plain {{ 7 * 7 }}"}),
        ({"data": {"a": "b"}}, {"a": "b"}),
        ({}, {}),
    ],
    ids=["json", "text", "form", "nothing"],
)
async def test_a_call_lets_the_run_go_on(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime, sent: dict[str, Any], data: Any
) -> None:
    run = await _waiting(alice)
    assert run["waiting_for"]["kind"] == "webhook"
    answer = await anonymous.post(_path(run), **sent)
    assert (answer.status_code, answer.json()) == (202, {"execution_id": run["id"]})
    assert (await ended(alice, run["id"]))["output"] == {"got": data}


async def test_the_waiting_step_shows_its_address_to_who_may_go_on_with_runs(
    alice: Person, bob: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    run = await _waiting(alice)
    steps = (await alice.client.get(f"/executions/{run['id']}/steps")).json()["data"]
    (step,) = [each for each in steps if each["node_id"] == "call"]
    assert step["status"] == "waiting"
    assert step["waiting_for"]["resume_url"] == run["waiting_for"]["resume_url"]
    for path in (f"/executions/{run['id']}", f"/executions/{run['id']}/steps"):
        assert "resume" not in (await bob.client.get(path)).text
    await anonymous.post(_path(run), json={})
    await ended(alice, run["id"])


async def test_the_second_of_two_calls_is_refused(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    path = _path(run := await _waiting(alice))
    answers = await asyncio.gather(*(anonymous.post(path, json={"n": n}) for n in range(5)))
    assert sorted(each.status_code for each in answers) == [202, 409, 409, 409, 409]
    accepted = next(n for n, each in enumerate(answers) if each.status_code == 202)
    assert (await ended(alice, run["id"]))["output"] == {"got": {"n": accepted}}
    late = await anonymous.post(path, json={"n": 9})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "ALREADY_CALLED")


async def test_nobody_calls_a_run_that_was_cancelled(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    run = await _waiting(alice)
    await alice.client.post(f"/executions/{run['id']}/cancel")
    assert (await anonymous.post(_path(run), json={})).status_code == 409
    assert (await ended(alice, run["id"]))["status"] == "cancelled"


async def test_made_up_and_altered_addresses_lead_nowhere(
    alice: Person, mallory: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    approval = definition(node("start", "trigger.manual"), node("ask", "human.approval", message="?"))
    asked, run = await _waiting(alice, approval), await _waiting(alice)
    approval_step, call_step = (UUID(each["waiting_for"]["step_id"]) for each in (asked, run))
    of_the_approval = resume_url(approval_step, alice.org_id).removeprefix("/api/v1")
    of_another = resume_url(call_step, mallory.org_id).removeprefix("/api/v1")
    path = _path(run)
    altered = path[:40] + ("A" if path[40] != "A" else "B") + path[41:]
    bad = ["/public/resume/x", altered, of_the_approval, of_another, path[:-1], path + "A"]
    for each in bad:
        answer = await anonymous.post(each, json={"decision": "approved"})
        assert answer.status_code == 404, each
        assert answer.json()["error"]["code"] == "CALL_NOT_FOUND", each
    for each in (asked, run):
        await alice.client.post(f"/executions/{each['id']}/cancel")


async def test_what_postgres_cannot_hold_is_refused_and_the_step_goes_on_waiting(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    run = await _waiting(alice)
    answer = await anonymous.post(_path(run), content=b'{"a": "\\u0000"}')
    assert answer.status_code == 422
    assert (await anonymous.post(_path(run), json={"a": 1})).status_code == 202
    assert (await ended(alice, run["id"]))["output"] == {"got": {"a": 1}}


async def test_a_wait_that_nobody_ends_fails_the_run(alice: Person, runtime: ExecutionRuntime) -> None:
    graph = definition(
        node("start", "trigger.manual"), node("call", "logic.wait_webhook", timeout_seconds=0.1)
    )
    agent_id = await published(alice, graph)
    run = (await alice.client.post(f"/agents/{agent_id}/execute", json={})).json()
    found = await ended(alice, run["id"])
    assert (found["status"], found["error"]["code"]) == ("failed", "WAIT_EXPIRED")
