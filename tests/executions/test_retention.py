"""How long ended runs and their logs are kept: as each organization chose, and never those that still run."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlmodel import SQLModel, col

from agentflow_app.audit.models import AuditLog
from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.executions import retention
from agentflow_app.executions.models import (
    Execution,
    ExecutionEvent,
    ExecutionLog,
    ExecutionStep,
    Payload,
    UsageRecord,
)
from agentflow_app.executions.retention import remove_old_runs
from tests.actors import GREETING, Person, published


async def _runs(person: Person, *states: tuple[str, int]) -> list[UUID]:
    """One run each: its status, and how many days ago it began and ended."""
    agent_id = UUID(await published(person, GREETING))
    ids = []
    async with database().transaction(person.actor) as tx:
        for status, days in states:
            then = func.now() - timedelta(days=days)
            run = Execution(
                id=new_id(), org_id=person.org_id, agent_id=agent_id, triggered_by="api", status=status
            )
            tx.add(run)
            await tx.flush()
            over = status in ("completed", "failed", "cancelled")
            times = {"created_at": then, "completed_at": then if over else None}
            await tx.execute(update(Execution).where(col(Execution.id) == run.id).values(**times))
            step = ExecutionStep(
                id=new_id(),
                org_id=person.org_id,
                execution_id=run.id,
                node_id="n",
                step_order=1,
                status="completed",
            )
            tx.add(step)
            await tx.flush()
            owned = {"org_id": person.org_id, "execution_id": run.id}
            tx.add(ExecutionLog(**owned, step_id=step.id, message="canary", data={"canary": 1}))
            log = {"type": "log", "message": "canary", "data": {"canary": 1}, "seq": 1}
            tx.add(ExecutionEvent(**owned, seq=1, event=log))
            tx.add(ExecutionEvent(**owned, seq=2, event={"type": "execution.completed", "seq": 2}))
            tx.add(Payload(**owned, id=new_id(), size=8, content="canary"))
            tx.add(UsageRecord(**owned, record_type="execution", quantity=1))
            ids.append(run.id)
    return ids


async def _settings(person: Person, **chosen: Any) -> None:
    answer = await person.client.put("/org", json={"settings": chosen})
    assert answer.status_code == 200, answer.text


async def _left(person: Person, table: type[SQLModel], ids: list[UUID]) -> list[UUID]:
    """Of which of the runs the table still has rows."""
    column = table.id if table is Execution else table.execution_id  # type: ignore[attr-defined]
    async with database().transaction(person.actor) as tx:
        found = set((await tx.execute(select(col(column)).where(col(column).in_(ids)))).scalars())
    return [each for each in ids if each in found]


async def _told(person: Person, action: str) -> list[dict[str, Any]]:
    query = select(col(AuditLog.details)).where(
        col(AuditLog.org_id) == person.org_id, col(AuditLog.action) == action
    )
    async with database().transaction(person.actor) as tx:
        return list((await tx.execute(query)).scalars())


async def test_each_organization_keeps_runs_as_long_as_it_chose(
    alice: Person, mallory: Person, monkeypatch: Any
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    states = (
        ("completed", 40),
        ("failed", 40),
        ("cancelled", 40),
        ("completed", 9),
        ("waiting", 400),
        ("running", 400),
    )
    hers, others = await _runs(alice, *states), await _runs(mallory, *states)
    await _settings(alice, retention_days=30)
    await _settings(mallory, retention_days=None)
    await remove_old_runs()
    for table in (Execution, ExecutionStep, ExecutionLog, ExecutionEvent, Payload):
        assert await _left(alice, table, hers) == hers[3:], table
        assert await _left(mallory, table, others) == others, table
    assert await _left(alice, UsageRecord, hers) == hers
    told = await _told(alice, "executions.removed")
    assert sum(each["executions"] for each in told) == 3
    assert await _told(mallory, "executions.removed") == []
    await remove_old_runs()
    assert await _told(alice, "executions.removed") == told


async def test_logs_go_before_their_runs_and_out_of_the_events_too(alice: Person, mallory: Person) -> None:
    hers = await _runs(alice, ("completed", 20), ("completed", 5), ("waiting", 20))
    others = await _runs(mallory, ("completed", 20))
    await _settings(alice, log_retention_days=10)
    await remove_old_runs()
    assert await _left(alice, ExecutionLog, hers) == hers[1:]
    assert await _left(alice, Execution, hers) == hers
    assert await _left(mallory, ExecutionLog, others) == others
    answer = await alice.client.get(f"/executions/{hers[0]}/logs")
    assert answer.json()["data"] == []
    async with database().transaction(alice.actor) as tx:
        query = select(ExecutionEvent).where(col(ExecutionEvent.execution_id) == hers[0])
        events = [
            each.event for each in (await tx.execute(query.order_by(col(ExecutionEvent.seq)))).scalars()
        ]
    assert [each["seq"] for each in events] == [1, 2]
    assert "canary" not in str(events)
    assert [each["executions"] for each in await _told(alice, "executions.logs_removed")] == [1]


async def test_no_nonsense_is_taken(alice: Person, bob: Person) -> None:
    for wrong in (
        {"retention_days": 0},
        {"retention_days": -1},
        {"log_retention_days": 99999},
        {"redact_fields": ["*"]},
        {"redact_fields": [""]},
        {"redact_fields": ["a*b"]},
        {"redact_fields": ["x" * 101]},
        {"redact_fields": ["x"] * 101},
    ):
        answer = await alice.client.put("/org", json={"settings": wrong})
        assert answer.status_code == 422, (wrong, answer.text)
    assert (await bob.client.put("/org", json={"settings": {"retention_days": 1}})).status_code == 403
