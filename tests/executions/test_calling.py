"""Agents that run agents: the step waits without a worker, hears of the end, and passes on what it should."""

from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.core.settings import settings
from agentflow_app.executions.calling import run_of
from agentflow_app.executions.failures import tell_failures
from agentflow_app.executions.kin import mend_kin
from agentflow_app.executions.runtime import ExecutionRuntime
from tests.actors import REVIEW, Person, definition, ended, node, published, running
from tests.executions.test_resuming import start, steps_of, until

ECHO = definition(
    node("start", "trigger.agent"), node("out", "action.set", values={"got": "{{ trigger.data }}"})
)
FAILS = definition(
    node("start", "trigger.manual"), node("bad", "action.template", template="{{ trigger.data.no.such }}")
)


def calls(agent_id: str, **config: Any) -> dict[str, Any]:
    return definition(
        node("start", "trigger.manual"), node("call", "action.run_agent", agent_id=agent_id, **config)
    )


async def runs_of(person: Person, agent_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await person.client.get(f"/agents/{agent_id}/executions")).json()["data"]
    return found


async def test_a_step_gets_what_the_agent_came_to(alice: Person, runtime: ExecutionRuntime) -> None:
    echo = await published(alice, ECHO)
    outer = await published(
        alice, calls(echo, input={"n": "{{ trigger.data.n }}", "as": "{{ trigger.data }}"})
    )
    run_id = await start(alice, outer, n=7)
    run = await ended(alice, run_id)
    assert run["status"] == "completed", run["error"]
    (child,) = await runs_of(alice, echo)
    assert run["output"] == {
        "execution_id": child["id"],
        "status": "completed",
        "output": {"got": {"n": 7, "as": {"n": 7}}},
        "tokens_used": 0,
        "cost": "0",
    }
    assert (child["triggered_by"], child["parent_id"]) == ("agent", run_id)
    assert UUID(child["id"]) == run_of(UUID(run_id), f"{run_id}:call:-")
    assert UUID(child["id"]).version == 7


async def test_waiting_holds_no_worker(alice: Person) -> None:
    review = await published(alice, REVIEW)
    outer = await published(alice, calls(review))
    run_id = await start(alice, outer)
    async with running():
        waits = await until(alice, run_id, "execution.waiting")
    child = waits["waiting_for"]["execution_id"]
    assert waits["waiting_for"]["kind"] == "child"
    run = (await alice.client.get(f"/executions/{run_id}")).json()
    assert (run["status"], run["waiting_for"]["kind"]) == ("waiting", "child")
    async with running():
        await until(alice, child, "execution.waiting")
        await alice.client.post(f"/executions/{child}/approve", json={"decision": "rejected"})
        run = await ended(alice, run_id)
    assert run["output"]["output"] == {"text": "dropped"}


@pytest.mark.parametrize("on_error", ["fail", "branch"])
async def test_a_failure_is_the_steps(alice: Person, runtime: ExecutionRuntime, on_error: str) -> None:
    fails = await published(alice, FAILS)
    graph = calls(fails, input={"x": 1})
    graph["nodes"][1]["on_error"] = on_error
    if on_error == "branch":
        graph["nodes"].append(node("rescue", "action.template", template="{{ node_call.output.error.code }}"))
        graph["edges"].append({"id": "e9", "source": "call", "target": "rescue", "source_handle": "error"})
    run_id = await start(alice, await published(alice, graph))
    run = await ended(alice, run_id)
    step = (await steps_of(alice, run_id))["call"]
    (child,) = await runs_of(alice, fails)
    assert step["error"]["code"] == "AGENT_FAILED"
    assert step["error"]["details"]["execution_id"] == child["id"]
    assert step["error"]["details"]["error"]["code"] == child["error"]["code"] == "MISSING_PATH"
    assert run["status"] == ("failed" if on_error == "fail" else "completed")
    assert on_error == "fail" or run["output"] == {"text": "AGENT_FAILED"}


async def test_a_run_that_is_not_waited_for_goes_its_own_way(
    alice: Person, runtime: ExecutionRuntime
) -> None:
    review = await published(alice, REVIEW)
    run_id = await start(alice, await published(alice, calls(review, wait=False)))
    run = await ended(alice, run_id)
    assert (run["status"], run["output"]["status"], run["output"]["output"]) == ("completed", "started", None)
    child = run["output"]["execution_id"]
    await until(alice, child, "execution.waiting")
    await mend_kin(1000)
    assert (await alice.client.get(f"/executions/{child}")).json()["status"] == "waiting"


async def test_an_agent_keeps_its_own_limits(alice: Person, runtime: ExecutionRuntime) -> None:
    slow = await published(
        alice, definition(node("start", "trigger.manual"), node("nap", "logic.delay", seconds=4))
    )
    await alice.client.put(f"/agents/{slow}", json={"settings": {"timeout_seconds": 0.2}})
    run = await ended(alice, await start(alice, await published(alice, calls(slow))))
    assert run["error"]["details"]["error"]["code"] == "EXECUTION_TIMEOUT"


async def test_the_live_version_is_run(alice: Person, runtime: ExecutionRuntime) -> None:
    inner = await published(alice, ECHO)
    outer = await published(alice, calls(inner))
    newer = definition(node("start", "trigger.manual"), node("out", "action.template", template="newer"))
    await alice.client.post(f"/agents/{inner}/publish", json={"definition": newer})
    run = await ended(alice, await start(alice, outer))
    assert run["output"]["output"] == {"text": "newer"}


async def test_many_at_once_come_back_in_order(alice: Person, runtime: ExecutionRuntime) -> None:
    echo = await published(alice, ECHO)
    graph = definition(
        node("start", "trigger.manual"),
        node("each", "logic.loop", items="{{ trigger.data.items }}", max_concurrency=10),
        node("call", "action.run_agent", agent_id=echo, input="{{ item }}"),
        edges=[("start", "each"), ("each", "call", "each"), ("call", "each")],
    )
    run = await ended(alice, await start(alice, await published(alice, graph), items=list(range(30))))
    assert run["status"] == "completed", run["error"]
    assert [each["output"]["got"] for each in run["output"]["results"]] == list(range(30))
    assert len(await runs_of(alice, echo)) >= 20


async def test_what_it_cost_is_billed_once_and_counts_for_the_budget(
    alice: Person, runtime: ExecutionRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    thinks = definition(
        node("start", "trigger.manual"), node("ask", "ai.chat", model="demo", prompt="Say something")
    )
    inner = await published(alice, thinks)
    run_id = await start(alice, await published(alice, calls(inner)))
    run = await ended(alice, run_id)
    (child,) = await runs_of(alice, inner)
    assert child["total_tokens"] > 0
    assert run["output"]["tokens_used"] == child["total_tokens"]
    assert run["total_tokens"] == 0
    async with database().transaction(alice.actor) as tx:
        query = text("SELECT sum(quantity) FROM usage_records WHERE record_type = 'tokens'")
        assert (await tx.execute(query)).scalar_one() == child["total_tokens"]


@pytest.mark.parametrize(("own", "limit"), [(None, "0.5"), ("2", "0.5"), ("0.125", "0.125")])
async def test_a_called_run_may_spend_what_its_caller_may_and_no_more(
    alice: Person, runtime: ExecutionRuntime, own: str | None, limit: str
) -> None:
    inner = await published(alice, REVIEW)
    await alice.client.put(f"/agents/{inner}", json={"settings": {"max_cost": own}})
    outer = await published(alice, calls(inner))
    await alice.client.put(f"/agents/{outer}", json={"settings": {"max_cost": "0.5"}})
    run_id = await start(alice, outer)
    child = (await until(alice, run_id, "execution.waiting"))["waiting_for"]["execution_id"]
    async with database().transaction(alice.actor) as tx:
        query = text("SELECT options -> 'limits' ->> 'max_cost' FROM executions WHERE id = :id")
        assert (await tx.execute(query, {"id": child})).scalar_one() == limit
    await until(alice, child, "execution.waiting")
    await alice.client.post(f"/executions/{child}/approve", json={"decision": "approved"})
    assert (await ended(alice, run_id))["status"] == "completed"


async def test_agents_that_call_in_a_circle_are_stopped(
    alice: Person, runtime: ExecutionRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "max_agent_depth", 3)
    made = (await alice.client.post("/agents", json={"name": "Round"})).json()["id"]
    answer = await alice.client.post(f"/agents/{made}/publish", json={"definition": calls(made)})
    assert answer.status_code == 201, answer.text
    run = await ended(alice, await start(alice, made))
    error = run["error"]
    for _ in range(3):
        assert error["code"] == "AGENT_FAILED"
        error = error["details"]["error"]
    assert error["code"] == "NESTED_TOO_DEEP"
    assert "3" in error["message"]
    assert len(await runs_of(alice, made)) == 4


@pytest.mark.parametrize("whose", ["mallory's", "nobody's", "a draft", "archived", "no id", "an expression"])
async def test_only_a_published_agent_of_the_organization_is_taken(
    alice: Person, mallory: Person, whose: str
) -> None:
    target = {
        "nobody's": str(new_id()),
        "no id": "x' OR 1=1",
        "an expression": "{{ trigger.data.agent }}",
    }.get(whose)
    if whose == "mallory's":
        target = await published(mallory, ECHO)
    elif whose == "a draft":
        target = (await alice.client.post("/agents", json={"name": "Draft"})).json()["id"]
    elif whose == "archived":
        target = await published(alice, ECHO)
        await alice.client.delete(f"/agents/{target}")
    assert target is not None
    outer = (await alice.client.post("/agents", json={"name": "Outer"})).json()["id"]
    answer = await alice.client.post(f"/agents/{outer}/publish", json={"definition": calls(target)})
    assert answer.status_code == 422
    (problem,) = answer.json()["error"]["details"]["problems"]
    assert (problem["node_id"], problem["field"], problem["code"], problem["severity"]) == (
        "call",
        "agent_id",
        "UNKNOWN_AGENT",
        "error",
    )


@pytest.mark.parametrize("state", ["archived", "paused"])
async def test_an_agent_that_went_away_since_fails_the_step(
    alice: Person, runtime: ExecutionRuntime, state: str
) -> None:
    inner = await published(alice, ECHO)
    outer = await published(alice, calls(inner))
    if state == "archived":
        await alice.client.delete(f"/agents/{inner}")
    else:
        await alice.client.put(f"/agents/{inner}/status", json={"status": "paused"})
    run = await ended(alice, await start(alice, outer))
    assert run["error"]["code"] == "AGENT_REFUSED"
    assert state in run["error"]["message"]


async def test_a_run_started_elsewhere_cannot_be_named(
    alice: Person, mallory: Person, runtime: ExecutionRuntime
) -> None:
    """A version from before the check, or one imported, may hold any id."""
    theirs = await published(mallory, ECHO)
    answers = []
    for target in (theirs, str(new_id())):
        outer = await published(alice, calls(await published(alice, ECHO)))
        async with database().transaction(alice.actor) as tx:
            swap = """
                UPDATE agent_versions SET definition = jsonb_set(
                    definition, '{nodes,1,config,agent_id}', to_jsonb(cast(:id AS text)))
                WHERE agent_id = :agent"""
            await tx.execute(text(swap), {"id": target, "agent": outer})
        run = await ended(alice, await start(alice, outer))
        answers.append((run["error"]["code"], run["error"]["message"], run["error"]["details"]))
    assert answers[0] == answers[1]
    assert answers[0][0] == "UNKNOWN_AGENT"
    assert await runs_of(mallory, theirs) == []


async def test_input_that_does_not_fit_is_refused(alice: Person, runtime: ExecutionRuntime) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    strict = await published(
        alice,
        definition(node("start", "trigger.agent", input_schema=schema), node("out", "action.set", values={})),
    )
    run = await ended(alice, await start(alice, await published(alice, calls(strict, input={"n": "x"}))))
    assert run["error"]["code"] == "INVALID_INPUT"
    assert "trigger_data.n" in run["error"]["details"]["fields"]
    assert await runs_of(alice, strict) == []


async def test_text_from_outside_stays_text(alice: Person, runtime: ExecutionRuntime) -> None:
    echo = await published(alice, ECHO)
    outer = await published(alice, calls(echo, input="{{ trigger.data }}"))
    hostile = {
        "{{ 7 * 7 }}": "{{ 7 * 7 }}",
        "depth": 99,
        "after_error": True,
        "q": "'; DROP TABLE x; --",
        "é": "\u202e",
    }
    run = await ended(alice, await start(alice, outer, **hostile))
    assert run["output"]["output"]["got"] == hostile


async def test_no_secret_is_handed_on(alice: Person, runtime: ExecutionRuntime) -> None:
    await alice.client.post("/org/secrets", json={"name": "TOKEN", "value": "very-secret-value"})
    echo = await published(alice, ECHO)
    outer = (await alice.client.post("/agents", json={"name": "Outer"})).json()["id"]
    graph = calls(echo, input={"t": "{{ secrets.TOKEN }}"})
    answer = await alice.client.post(f"/agents/{outer}/publish", json={"definition": graph})
    assert answer.status_code == 422
    assert answer.json()["error"]["details"]["problems"][0]["code"] == "SECRET_NOT_ALLOWED"


async def test_what_an_error_agent_calls_runs_no_error_agent(
    alice: Person, runtime: ExecutionRuntime
) -> None:
    fails = await published(alice, FAILS)
    listens = await published(alice, calls(fails))
    await alice.client.put(f"/agents/{fails}", json={"settings": {"error_agent_id": listens}})
    await ended(alice, await start(alice, fails))
    await tell_failures(1000)
    (told,) = await runs_of(alice, listens)
    await ended(alice, told["id"])
    await tell_failures(1000)
    assert len(await runs_of(alice, listens)) == 1
    assert Counter(run["triggered_by"] for run in await runs_of(alice, fails)) == {"api": 1, "agent": 1}


async def test_a_test_run_calls_nobody(alice: Person, runtime: ExecutionRuntime) -> None:
    echo = await published(alice, ECHO)
    outer = await published(alice, calls(echo, input={"n": 1}))
    test = (await alice.client.post(f"/agents/{outer}/test", json={})).json()
    run = await ended(alice, test["id"])
    assert run["output"] == {"dry_run": True, "would": {"agent_id": echo, "input": {"n": 1}}}
    assert await runs_of(alice, echo) == []
