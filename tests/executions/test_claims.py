"""Leases: one owner, fenced by the epoch, taken over when they run out, handed back on stop."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.core.settings import settings
from agentflow_app.executions import claims
from agentflow_app.executions.journal import PostgresJournal
from agentflow_app.executions.records import Record, record_writer
from agentflow_app.executions.runtime import ExecutionRuntime
from engine.errors import LeaseLostError
from engine.events import started_event
from engine.ports import ExecutionEnd, StepChange, WaitingFor
from tests.actors import GREETING, REVIEW, Person, definition, ended, node, published, running


async def _pending(person: Person, graph: dict[str, Any] = GREETING) -> UUID:
    agent_id = await published(person, graph)
    answer = await person.client.post(f"/agents/{agent_id}/execute", json={})
    return UUID(answer.json()["id"])


async def _claim(execution_id: UUID, owner: str = "one") -> claims.Claim:
    taken = {each.id: each for each in await claims.claim(owner, 1000, 60)}
    return taken[execution_id]


async def _lapse(person: Person, execution_id: UUID) -> None:
    async with database().transaction(person.actor) as tx:
        await tx.execute(
            text("UPDATE executions SET lease_until = now() - interval '1 second' WHERE id = :id"),
            {"id": execution_id},
        )


def _step(status: Any = "completed") -> StepChange:

    output = {"data": {}}
    return StepChange(str(new_id()), "start", (), 1, status, utcnow(), output=output, handle="out")


async def test_two_workers_never_get_the_same_execution(alice: Person) -> None:
    wanted = {await _pending(alice) for _ in range(20)}
    taken = await asyncio.gather(*(claims.claim(f"w{n}", 7, 60) for n in range(8)))
    ids = [each.id for some in taken for each in some]
    assert len(ids) == len(set(ids))
    rest = {each.id for each in await claims.claim("last", 1000, 60)}
    assert wanted <= set(ids) | rest
    assert not set(ids) & rest


async def test_a_late_writer_is_fenced(alice: Person) -> None:
    execution_id = await _pending(alice)
    old = await _claim(execution_id)
    late = PostgresJournal(old)
    await late.write([])
    await _lapse(alice, execution_id)
    new = await _claim(execution_id, "two")
    assert new.epoch == old.epoch + 1
    for write in (
        late.write([_step()]),
        late.park([], WaitingFor("timer")),
        late.finish([], ExecutionEnd("completed", utcnow())),
        late.load(),
        PostgresJournal(old).load(),
    ):
        with pytest.raises(LeaseLostError):
            await write
    assert await claims.renew([old], 60) == set()
    assert await claims.renew([new], 60) == {execution_id}
    journal = PostgresJournal(new)
    assert await journal.load() == []
    await journal.finish([], ExecutionEnd("completed", utcnow(), output=1))
    with pytest.raises(LeaseLostError):
        await journal.write([_step()])
    events = await _events(alice, execution_id)
    assert [e["type"] for e in events] == ["execution.started", "execution.resumed", "execution.completed"]
    assert [e["seq"] for e in events] == [1, 2, 3]


async def _events(person: Person, execution_id: UUID) -> list[dict[str, Any]]:
    from agentflow_app.executions.stream import follow

    return [event async for event in follow(person.actor, execution_id)]


async def test_progress_forgives_earlier_crashes(alice: Person) -> None:
    execution_id = await _pending(alice)
    for _ in range(3):
        claim = await _claim(execution_id)
        await _lapse(alice, execution_id)
    assert claim.claims == 3
    claim = await _claim(execution_id)
    await PostgresJournal(claim).write([_step()])
    await _lapse(alice, execution_id)
    assert (await _claim(execution_id)).claims == 1


async def test_a_released_execution_is_due_at_once(alice: Person) -> None:
    execution_id = await _pending(alice)
    claim = await _claim(execution_id)
    assert execution_id not in await claims.due(10_000)
    await claims.release(claim)
    assert execution_id in await claims.due(10_000)
    assert (await _claim(execution_id)).claims == 1


async def test_the_journal_gives_back_what_it_took(alice: Person) -> None:
    execution_id = await _pending(alice)
    journal = PostgresJournal(await _claim(execution_id))
    step = _step()
    await journal.write([step])
    (state,) = await journal.load()
    assert (state.step_id, state.node_id, state.status, state.output) == (
        step.step_id,
        "start",
        "completed",
        {"data": {}},
    )


async def test_numbers_beyond_64_bits_are_kept(alice: Person) -> None:
    execution_id = await _pending(alice)
    journal = PostgresJournal(await _claim(execution_id))
    from dataclasses import replace

    await journal.write([replace(_step(), output={"n": 2**80})])
    (state,) = await journal.load()
    assert state.output == {"n": 2**80}


async def test_one_organization_does_not_starve_another(alice: Person, mallory: Person) -> None:
    for each in await claims.claim("sweep", 1000, 60):
        await PostgresJournal(each).finish([], ExecutionEnd("cancelled", utcnow()))
    crowd = [await _pending(alice) for _ in range(10)]
    single = await _pending(mallory)
    first_two = {each.id for each in await claims.claim("one", 2, 60)}
    assert first_two == {crowd[0], single}


async def test_a_second_worker_finishes_what_the_first_left(alice: Person) -> None:
    graph = definition(
        node("start", "trigger.manual"),
        node("one", "action.set", values={"n": 1}),
        node("wait", "logic.delay", seconds=3),
        node("two", "action.set", values={"n": 2}),
    )
    execution_id = await _pending(alice, graph)
    from agentflow_app.executions.stream import follow

    async with running("first"):
        async for event in follow(alice.actor, execution_id):
            if event["type"] == "step.started" and event["node_id"] == "wait":
                break
    async with running("second"):
        run = await ended(alice, str(execution_id))
    assert run["status"] == "completed"
    events = await _events(alice, execution_id)
    done = [e["node_id"] for e in events if e["type"] == "step.completed"]
    assert sorted(done) == sorted(set(done))


async def test_a_parked_execution_holds_no_lease(alice: Person) -> None:
    execution_id = await _pending(alice, REVIEW)
    async with running():
        from agentflow_app.executions.stream import follow

        async for event in follow(alice.actor, execution_id):
            if event["type"] == "execution.waiting":
                break
    async with database().transaction(alice.actor) as tx:
        row = (
            await tx.execute(
                text("SELECT status, lease_until, lease_owner, wake_at FROM executions WHERE id = :id"),
                {"id": execution_id},
            )
        ).one()
    assert tuple(row) == ("waiting", None, None, None)


async def test_a_renewed_lease_lasts_longer(alice: Person) -> None:
    async def lease() -> Any:
        async with database().transaction(alice.actor) as tx:
            query = text("SELECT lease_until FROM executions WHERE id = :id")
            return (await tx.execute(query, {"id": execution_id})).scalar_one()

    execution_id = await _pending(alice)
    held = await _claim(execution_id)
    first = await lease()
    assert await claims.renew([held], 600) == {execution_id}
    assert await lease() > first


async def test_a_worker_renews_what_it_holds(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    renewed: asyncio.Queue[set[UUID]] = asyncio.Queue()
    renew = claims.renew

    async def noticed(held: Any, seconds: float) -> set[UUID]:
        kept = await renew(held, seconds)
        renewed.put_nowait(kept)
        return kept

    monkeypatch.setattr(claims, "renew", noticed)
    long = definition(node("start", "trigger.manual"), node("nap", "logic.delay", seconds=4))
    execution_id = await _pending(alice, long)
    quick = settings().model_copy(update={"reconcile_seconds": 0.05, "lease_seconds": 3.0})
    runtime = ExecutionRuntime("renews", quick)
    runtime.start()
    try:
        assert execution_id in await renewed.get()
    finally:
        await runtime.stop()


async def test_what_was_written_already_is_not_written_again(alice: Person) -> None:
    """Whoever does not know whether a commit went through tries once more."""
    held = await _claim(await _pending(alice))
    events = [started_event(str(held.id), held.claimed_at)]
    record = Record(held.org_id, held.id, held.epoch, 0, held.claimed_at, events)
    assert await record_writer().write(record)
    assert not await record_writer().write(record)
    assert (await PostgresJournal(held).load()) == []


async def test_what_somebody_is_about_to_take_is_passed_over(alice: Person) -> None:
    """Two workers that look at the same moment: the second neither waits for the first nor takes it too."""
    taken, free = await _pending(alice), await _pending(alice)
    async with database().transaction(alice.actor) as tx:
        await tx.execute(text("SELECT 1 FROM executions WHERE id = :id FOR UPDATE"), {"id": taken})
        ids = {each.id for each in await claims.claim("second", 1000, 60)}
    assert (taken in ids, free in ids) == (False, True)
