"""Error agents: each failure runs the agent that the settings name, once, and its own failures run nobody."""

import asyncio
from typing import Any

import pytest

from agentflow_app.core.ids import new_id
from agentflow_app.executions.failures import tell_failures
from agentflow_app.executions.runtime import ExecutionRuntime
from tests.actors import Person, definition, ended, node, published

FAILS = definition(
    node("start", "trigger.manual"), node("bad", "action.template", template="{{ trigger.data.no.such }}")
)
LISTENS = definition(
    node("failed", "trigger.error"),
    node("out", "action.set", values={"told": "{{ trigger.data }}"}),
)


async def _with(person: Person, graph: dict[str, Any], error_agent_id: str | None) -> str:
    agent_id = await published(person, graph)
    answer = await person.client.put(
        f"/agents/{agent_id}", json={"settings": {"error_agent_id": error_agent_id}}
    )
    assert answer.status_code == 200, answer.text
    return agent_id


async def _fail(person: Person, agent_id: str, **body: Any) -> dict[str, Any]:
    run = (await person.client.post(f"/agents/{agent_id}/execute", json=body)).json()
    return await ended(person, run["id"])


async def _runs(person: Person, agent_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await person.client.get(f"/agents/{agent_id}/executions")).json()["data"]
    return found


async def test_a_failure_runs_the_error_agent_once(alice: Person, runtime: ExecutionRuntime) -> None:
    listens = await published(alice, LISTENS)
    fails = await _with(alice, FAILS, listens)
    failed = await _fail(alice, fails, trigger_data={"n": "{{ 7 * 7 }}"})
    await asyncio.gather(*(tell_failures(1000) for _ in range(4)))
    await tell_failures(1000)
    (run,) = await _runs(alice, listens)
    run = await ended(alice, run["id"])
    assert (run["triggered_by"], run["status"]) == ("error", "completed")
    told = {
        "execution_id": failed["id"],
        "agent_id": fails,
        "error": failed["error"],
        "trigger_data": {"n": "{{ 7 * 7 }}"},
    }
    assert run["trigger_data"] == told
    assert run["output"] == {"told": told}


async def test_an_error_agent_that_fails_runs_nobody(alice: Person, runtime: ExecutionRuntime) -> None:
    fails = await published(alice, FAILS)
    await alice.client.put(f"/agents/{fails}", json={"settings": {"error_agent_id": fails}})
    await _fail(alice, fails)
    await tell_failures(1000)
    runs = await _runs(alice, fails)
    assert [run["triggered_by"] for run in runs] == ["error", "api"]
    assert (await ended(alice, runs[0]["id"]))["status"] == "failed"
    await tell_failures(1000)
    assert len(await _runs(alice, fails)) == 2


async def test_tests_and_what_went_well_run_nobody(alice: Person, runtime: ExecutionRuntime) -> None:
    listens = await published(alice, LISTENS)
    agent_id = await _with(alice, FAILS, listens)
    test = (await alice.client.post(f"/agents/{agent_id}/test", json={})).json()
    await ended(alice, test["id"])
    await _fail(alice, agent_id, trigger_data={"no": {"such": "way"}})
    await tell_failures(1000)
    assert await _runs(alice, listens) == []


async def test_one_that_cannot_run_is_told_in_the_log_of_the_failed_run(
    alice: Person, runtime: ExecutionRuntime
) -> None:
    listens = await published(alice, LISTENS)
    agent_id = await _with(alice, FAILS, listens)
    await alice.client.put(f"/agents/{listens}/status", json={"status": "paused"})
    failed = await _fail(alice, agent_id)
    await tell_failures(1000)
    logs = (await alice.client.get(f"/executions/{failed['id']}/logs")).json()["data"]
    assert [(line["level"], line["data"]["code"]) for line in logs] == [("warning", "AGENT_NOT_ACTIVE")]
    await alice.client.put(f"/agents/{listens}/status", json={"status": "active"})
    await tell_failures(1000)
    assert await _runs(alice, listens) == []


@pytest.mark.parametrize("whose", ["mallory's", "nobody's"])
async def test_it_is_an_agent_of_the_same_organization(alice: Person, mallory: Person, whose: str) -> None:
    other = await published(mallory, LISTENS) if whose == "mallory's" else str(new_id())
    settings = {"settings": {"error_agent_id": other}}
    agent_id = await published(alice, FAILS)
    for answer in (
        await alice.client.put(f"/agents/{agent_id}", json=settings),
        await alice.client.post("/agents", json={"name": "New", **settings}),
    ):
        assert answer.status_code == 422
        assert answer.json()["error"]["details"]["fields"] == {
            "settings.error_agent_id": "there is no such agent"
        }
