"""What must come of a run when its worker, its database, its clock or its definition plays tricks."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError

from agentflow_app.core.clock import DatabaseClock, utcnow
from agentflow_app.core.database import database
from agentflow_app.core.errors import Unavailable
from agentflow_app.core.ids import new_id
from agentflow_app.executions import claims
from agentflow_app.executions.assignments import assignments
from agentflow_app.executions.journal import PostgresJournal
from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.executions.stream import follow
from engine.ports import StepChange
from tests.actors import GREETING, REVIEW, Person, definition, ended, node, published, running

NAP = definition(
    node("start", "trigger.manual"),
    node("nap", "logic.delay", seconds=1),
    node("after", "action.template", template="rested"),
)


async def _start(person: Person, graph: dict[str, Any]) -> str:
    agent_id = await published(person, graph)
    execution_id: str = (await person.client.post(f"/agents/{agent_id}/execute", json={})).json()["id"]
    return execution_id


async def _change(person: Person, statement: str, execution_id: str) -> None:
    async with database().transaction(person.actor) as tx:
        await tx.execute(text(statement), {"id": UUID(execution_id)})


async def _until(person: Person, execution_id: str, kind: str) -> None:
    async for event in follow(person.actor, UUID(execution_id)):
        if event["type"] == kind:
            return


async def _events(person: Person, execution_id: str) -> list[dict[str, Any]]:
    return [event async for event in follow(person.actor, UUID(execution_id))]


async def test_a_worker_that_slept_over_its_lease_takes_its_own_run_again(
    alice: Person, runtime: ExecutionRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    execution_id = await _start(alice, NAP)
    await _until(alice, execution_id, "step.waiting")
    await _change(alice, "UPDATE executions SET lease_until = now() WHERE id = :id", execution_id)
    assert (await ended(alice, execution_id))["status"] == "completed"
    events = await _events(alice, execution_id)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [e["node_id"] for e in events if e["type"] == "step.completed"] == ["start", "nap", "after"]
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


async def test_a_version_that_this_code_cannot_read_fails_at_once(
    alice: Person, runtime: ExecutionRuntime
) -> None:
    execution_id = await _start(alice, REVIEW)
    await _until(alice, execution_id, "execution.waiting")
    assignments.cache_clear()
    await _change(
        alice,
        "UPDATE agent_versions SET definition = definition || '{\"from_the_future\": 1}' WHERE id ="
        " (SELECT agent_version_id FROM executions WHERE id = :id)",
        execution_id,
    )
    await _change(alice, "UPDATE executions SET wake_at = now() WHERE id = :id", execution_id)
    found = await ended(alice, execution_id)
    assert (found["status"], found["error"]["code"]) == ("failed", "INVALID_DEFINITION")
    assert "from_the_future" in found["error"]["message"]
    steps = (await alice.client.get(f"/executions/{execution_id}/steps")).json()["data"]
    assert {s["node_id"]: s["status"] for s in steps} == {"start": "completed", "review": "cancelled"}


async def test_giving_up_closes_every_open_step(alice: Person) -> None:
    execution_id = await _start(alice, NAP)
    taken = {str(each.id): each for each in await claims.claim("dead", 1000, 60)}
    journal = PostgresJournal(taken[execution_id])
    await journal.load()
    await journal.write(
        [
            StepChange(str(new_id()), "start", (), 1, "completed", utcnow(), handle="out"),
            StepChange(str(new_id()), "nap", (), 2, "running", utcnow(), started_at=utcnow()),
        ]
    )
    await _change(alice, "UPDATE executions SET claims = 5, lease_until = now() WHERE id = :id", execution_id)
    async with running("gives up"):
        found = await ended(alice, execution_id)
    assert (found["error"]["code"], found["error"]["node_id"]) == ("WORKER_CRASHED", "nap")
    steps = (await alice.client.get(f"/executions/{execution_id}/steps")).json()["data"]
    assert {s["node_id"]: s["status"] for s in steps} == {"start": "completed", "nap": "failed"}
    assert steps[1]["error"]["code"] == "WORKER_CRASHED"
    assert [e["type"] for e in await _events(alice, execution_id)][-2:] == ["step.failed", "execution.failed"]


async def test_a_run_may_wait_for_months(alice: Person, runtime: ExecutionRuntime) -> None:
    execution_id = await _start(alice, REVIEW)
    await _until(alice, execution_id, "execution.waiting")
    await _change(
        alice, "UPDATE executions SET started_at = now() - interval '90 days' WHERE id = :id", execution_id
    )
    await _change(
        alice,
        "UPDATE execution_steps SET started_at = now() - interval '90 days' WHERE execution_id = :id",
        execution_id,
    )
    decided = await alice.client.post(f"/executions/{execution_id}/approve", json={"decision": "rejected"})
    assert decided.status_code == 200
    found = await ended(alice, execution_id)
    assert found["status"] == "completed"
    assert found["duration_ms"] > timedelta(days=89).total_seconds() * 1000


async def test_an_approval_that_has_just_expired_cannot_be_decided(alice: Person) -> None:
    execution_id = await _start(alice, REVIEW)
    async with running():
        await _until(alice, execution_id, "execution.waiting")
    async with database().transaction(alice.actor) as tx:
        await tx.execute(
            text(
                """UPDATE execution_steps SET signal = '{"kind": "timer"}' WHERE execution_id = :id"""
                " AND status = 'waiting_approval'"
            ),
            {"id": UUID(execution_id)},
        )
        approving = asyncio.create_task(
            alice.client.post(f"/executions/{execution_id}/approve", json={"decision": "approved"})
        )
        await _blocked(alice)
    answer = await approving
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "ALREADY_DECIDED")


async def _blocked(person: Person) -> None:
    """Until some other session waits for a row."""
    while True:
        async with database().transaction(person.actor) as tx:
            waiting = await tx.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
            if waiting.scalar_one():
                return
        await asyncio.sleep(0.01)


async def test_a_waiting_step_says_what_for_as_its_event_does(
    alice: Person, runtime: ExecutionRuntime
) -> None:
    execution_id = await _start(alice, REVIEW)
    async for event in follow(alice.actor, UUID(execution_id)):
        if event["type"] == "step.waiting_approval":
            break
    steps = (await alice.client.get(f"/executions/{execution_id}/steps")).json()["data"]
    assert steps[1]["waiting_for"] == event["waiting_for"]
    assert steps[1]["waiting_for"]["kind"] == "approval"


async def test_what_is_being_cancelled_cannot_be_approved(alice: Person) -> None:
    execution_id = await _start(alice, REVIEW)
    async with running():
        await _until(alice, execution_id, "execution.waiting")
    assert (await alice.client.post(f"/executions/{execution_id}/cancel")).status_code == 202
    answer = await alice.client.post(f"/executions/{execution_id}/approve", json={"decision": "approved"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "NOTHING_TO_APPROVE")
    async with running():
        assert (await ended(alice, execution_id))["status"] == "cancelled"


class Failing:
    """Lets the journal's writes of one run fail so many times, after the first ones if need be."""

    def __init__(self, patch: pytest.MonkeyPatch, error: Exception, times: int, *, after: int = 0) -> None:
        real, self.left, self.before = PostgresJournal.write, times, after

        async def write(journal: PostgresJournal, changes: Any) -> None:
            if self.before:
                self.before -= 1
            elif self.left:
                self.left -= 1
                raise error
            await real(journal, changes)

        patch.setattr(PostgresJournal, "write", write)


async def test_an_outage_hands_the_run_back_and_blames_nobody(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentflow_app.executions.runtime.HAND_BACK_SECONDS", 0.01)
    Failing(monkeypatch, Unavailable("away"), times=7)
    execution_id = await _start(alice, NAP)
    async with running():
        async with asyncio.timeout(60):
            found = await ended(alice, execution_id)
    assert found["status"] == "completed"
    steps = (await alice.client.get(f"/executions/{execution_id}/steps")).json()["data"]
    assert [s["status"] for s in steps] == ["completed"] * 3


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DataError("INSERT", {}, ValueError("value too long\nDETAIL: secret")), "NOT_STORABLE"),
        (RuntimeError("secret"), "INTERNAL_ERROR"),
    ],
)
async def test_what_cannot_be_recorded_fails_with_a_reason(
    alice: Person, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    Failing(monkeypatch, error, times=1)
    execution_id = await _start(alice, NAP)
    async with running():
        found = await ended(alice, execution_id)
    assert (found["status"], found["error"]["code"]) == ("failed", code)
    assert "secret" not in str(found)


async def test_what_cannot_be_recorded_later_on_leaves_no_step_open(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    Failing(monkeypatch, DataError("INSERT", {}, ValueError("too long")), times=1, after=1)
    naps = [node(name, "logic.delay", seconds=0.1) for name in ("nap", "again")]
    execution_id = await _start(alice, definition(node("start", "trigger.manual"), *naps))
    async with running():
        found = await ended(alice, execution_id)
    assert (found["status"], found["error"]["code"], found["error"]["node_id"]) == (
        "failed",
        "NOT_STORABLE",
        "nap",
    )
    steps = (await alice.client.get(f"/executions/{execution_id}/steps")).json()["data"]
    assert {s["node_id"]: s["status"] for s in steps} == {"start": "completed", "nap": "failed"}


async def test_numbers_of_any_length_are_kept(alice: Person, runtime: ExecutionRuntime) -> None:
    agent_id = await published(alice, GREETING)
    for number in (2**63, 2**70, -(10**300)):
        accepted = await alice.client.post(
            f"/agents/{agent_id}/execute",
            content=f'{{"trigger_data": {{"name": {number}}}}}',
            headers={"Content-Type": "application/json"},
        )
        found = await ended(alice, accepted.json()["id"])
        assert (found["status"], found["trigger_data"]) == ("completed", {"name": number})
        assert found["output"] == {"text": f"Hello {number}"}


async def test_steps_live_by_the_clock_of_the_database() -> None:
    told = utcnow() + timedelta(minutes=2)
    clock = DatabaseClock(told)
    assert timedelta(0) <= clock.now() - told < timedelta(minutes=1)


async def test_a_claim_says_what_time_it_is(alice: Person) -> None:
    execution_id = await _start(alice, GREETING)
    taken = {str(each.id): each for each in await claims.claim("clock", 1000, 60)}
    assert abs(taken[execution_id].claimed_at - utcnow()) < timedelta(minutes=1)


async def test_a_slow_sender_holds_no_connection(alice: Person, postgres_url: str) -> None:
    open_transactions = []

    async def slowly() -> Any:
        yield b'{"name":'
        with psycopg.connect(postgres_url) as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
                " AND application_name = 'agentflow-app'"
            ).fetchone()
            open_transactions.append(row)
        yield b'"slow"}'

    answer = await alice.client.post(
        "/agents", content=slowly(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 201
    assert open_transactions == [(0,)]
