"""Called runs and who waits for them, when either is cancelled, resumed or not heard of."""

import asyncio
import json
from uuid import UUID

from sqlalchemy import text

from agentflow_app.core.database import database
from agentflow_app.executions.kin import mend_kin
from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.executions.stream import follow
from tests.actors import REVIEW, Person, definition, ended, node, published, running
from tests.executions.test_calling import calls, runs_of
from tests.executions.test_resuming import start, until


async def test_cancelling_reaches_down_to_the_last(alice: Person, runtime: ExecutionRuntime) -> None:
    inner = await published(alice, REVIEW)
    middle = await published(alice, calls(inner))
    run_id = await start(alice, await published(alice, calls(middle)))
    first = (await until(alice, run_id, "execution.waiting"))["waiting_for"]["execution_id"]
    second = (await until(alice, first, "execution.waiting"))["waiting_for"]["execution_id"]
    await until(alice, second, "execution.waiting")
    await alice.client.post(f"/executions/{run_id}/cancel")
    for each in (run_id, first, second):
        assert (await ended(alice, each))["status"] == "cancelled"


async def test_a_cancelled_agent_fails_the_step(alice: Person, runtime: ExecutionRuntime) -> None:
    run_id = await start(alice, await published(alice, calls(await published(alice, REVIEW))))
    child = (await until(alice, run_id, "execution.waiting"))["waiting_for"]["execution_id"]
    await until(alice, child, "execution.waiting")
    await alice.client.post(f"/executions/{child}/cancel")
    run = await ended(alice, run_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "AGENT_FAILED")
    assert "cancelled" in run["error"]["message"]


async def test_a_step_that_waited_long_enough_cancels_the_run(
    alice: Person, runtime: ExecutionRuntime
) -> None:
    graph = calls(await published(alice, REVIEW))
    graph["nodes"][1]["timeout_seconds"] = 0.3
    run_id = await start(alice, await published(alice, graph))
    run = await ended(alice, run_id)
    assert run["error"]["code"] == "WAIT_EXPIRED"
    assert (await ended(alice, run["error"]["details"]["execution_id"]))["status"] == "cancelled"


async def test_a_resumed_run_goes_on_with_the_same_child(alice: Person, runtime: ExecutionRuntime) -> None:
    review = await published(alice, REVIEW)
    run_id = await start(alice, await published(alice, calls(review)))
    child = (await until(alice, run_id, "execution.waiting"))["waiting_for"]["execution_id"]
    await until(alice, child, "execution.waiting")
    await alice.client.post(f"/executions/{run_id}/cancel")
    assert (await ended(alice, child))["status"] == "cancelled"
    await ended(alice, run_id)
    assert (await alice.client.post(f"/executions/{run_id}/resume", json={})).status_code == 202
    while (await alice.client.get(f"/executions/{child}")).json()["status"] != "waiting":
        await asyncio.sleep(0.02)  # its worker parks it
    await alice.client.post(f"/executions/{child}/approve", json={"decision": "rejected"})
    run = await ended(alice, run_id)
    assert run["status"] == "completed", run["error"]
    assert run["output"]["execution_id"] == child
    assert len(await runs_of(alice, review)) == 1
    # It went on because its caller did: that is nobody's own act.
    query = {"resource_id": child, "sort": "seq", "order": "asc"}
    told = (await alice.client.get("/org/audit-logs", params=query)).json()["data"]
    assert [(entry["action"], entry["user_id"] is None) for entry in told] == [
        ("execution.resumed", True),
        ("execution.rejected", False),
    ]


async def test_a_child_that_was_mended_alone_is_taken_as_it_is(
    alice: Person, runtime: ExecutionRuntime
) -> None:
    inner = await published(alice, calls(await published(alice, REVIEW)))
    run_id = await start(alice, await published(alice, calls(inner)))
    child = (await until(alice, run_id, "execution.waiting"))["waiting_for"]["execution_id"]
    last = (await until(alice, child, "execution.waiting"))["waiting_for"]["execution_id"]
    await until(alice, last, "execution.waiting")
    await alice.client.post(f"/executions/{last}/cancel")
    assert (await ended(alice, run_id))["status"] == "failed"
    assert (await alice.client.post(f"/executions/{child}/resume", json={})).status_code == 202
    while (await alice.client.get(f"/executions/{last}")).json()["status"] != "waiting":
        await asyncio.sleep(0.02)  # its worker parks it
    await mend_kin(1000)
    await alice.client.post(f"/executions/{last}/approve", json={"decision": "rejected"})
    assert (await ended(alice, child))["status"] == "completed"
    assert (await alice.client.post(f"/executions/{run_id}/resume", json={})).status_code == 202
    run = await ended(alice, run_id)
    assert run["output"]["output"]["output"] == {"text": "dropped"}


async def test_an_end_that_nobody_heard_of_is_told_again(alice: Person) -> None:
    run_id = await start(alice, await published(alice, calls(await published(alice, REVIEW))))
    async with running():
        child = (await until(alice, run_id, "execution.waiting"))["waiting_for"]["execution_id"]
        await until(alice, child, "execution.waiting")
    async with database().transaction(alice.actor) as tx:
        where = text("SELECT parent_step_id FROM executions WHERE id = :id")
        step = (await tx.execute(where, {"id": child})).scalar_one()
        cut = "UPDATE executions SET parent_step_id = NULL WHERE id = :id"
        await tx.execute(text(cut), {"id": child})
    async with running():
        await alice.client.post(f"/executions/{child}/approve", json={"decision": "rejected"})
        await ended(alice, child)
        async with database().transaction(alice.actor) as tx:
            tie = "UPDATE executions SET parent_step_id = :step WHERE id = :id"
            await tx.execute(text(tie), {"id": child, "step": step})
        assert (await alice.client.get(f"/executions/{run_id}")).json()["status"] == "waiting"
        await mend_kin(1000)
        assert (await ended(alice, run_id))["status"] == "completed"


async def test_a_child_whose_caller_is_gone_is_cancelled_later(alice: Person) -> None:
    run_id = await start(alice, await published(alice, calls(await published(alice, REVIEW))))
    async with running():
        child = (await until(alice, run_id, "execution.waiting"))["waiting_for"]["execution_id"]
        await until(alice, child, "execution.waiting")
        async with database().transaction(alice.actor) as tx:
            hide = "UPDATE executions SET parent_id = NULL WHERE id = :id"
            await tx.execute(text(hide), {"id": child})
        await alice.client.post(f"/executions/{run_id}/cancel")
        await ended(alice, run_id)
        async with database().transaction(alice.actor) as tx:
            show = "UPDATE executions SET parent_id = :run WHERE id = :id"
            await tx.execute(text(show), {"id": child, "run": run_id})
        await mend_kin(1000)
        assert (await ended(alice, child))["status"] == "cancelled"


async def test_an_end_before_the_step_waits_is_heard_after_a_crash(alice: Person) -> None:
    """As if the worker had died right before it wrote that the step waits."""
    run_id = await start(alice, await published(alice, calls(await published(alice, REVIEW))))
    async with running():
        child = (await until(alice, run_id, "execution.waiting"))["waiting_for"]["execution_id"]
        await until(alice, child, "execution.waiting")
    held = """
        UPDATE executions SET status = 'running', waiting_for = NULL, lease_until = now() + interval '1 hour',
            lease_owner = 'a worker that is dead' WHERE id = :id"""
    back = "UPDATE execution_steps SET status = 'running', waiting_for = NULL WHERE id = :step"
    async with database().transaction(alice.actor) as tx:
        await tx.execute(text(held), {"id": run_id})
        where = text("SELECT parent_step_id FROM executions WHERE id = :id")
        step = (await tx.execute(where, {"id": child})).scalar_one()
        await tx.execute(text(back), {"step": step})
    async with running():
        await alice.client.post(f"/executions/{child}/cancel")
        await ended(alice, child)
        async with database().transaction(alice.actor) as tx:
            await tx.execute(text("UPDATE executions SET lease_until = now() WHERE id = :id"), {"id": run_id})
        run = await ended(alice, run_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "AGENT_FAILED")
    assert (await alice.client.get(f"/executions/{child}")).json()["status"] == "cancelled"


async def test_who_waits_gets_what_is_hidden_at_the_end(alice: Person, runtime: ExecutionRuntime) -> None:
    hides = await alice.client.put("/org", json={"settings": {"redact_fields": ["word"]}})
    assert hides.status_code == 200, hides.text
    says = definition(node("start", "trigger.manual"), node("say", "action.set", values={"word": "canary-7"}))
    graph = calls(await published(alice, says))
    graph["nodes"].append(
        node("look", "action.set", values={"length": "{{ node_call.output.output.word | length }}"})
    )
    graph["edges"].append({"id": "e9", "source": "call", "target": "look"})
    run_id = await start(alice, await published(alice, graph))
    run = await ended(alice, run_id)
    assert run["output"] == {"length": 8}
    steps = (await alice.client.get(f"/executions/{run_id}/steps")).text
    assert "canary-7" not in steps
    events = [json.dumps(event) async for event in follow(alice.actor, UUID(run_id))]
    assert not any("canary-7" in event for event in events)
