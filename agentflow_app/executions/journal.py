"""The engine's journal in Postgres: what happened and its events, together, under the lease's epoch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlmodel import col

from agentflow_app.core.clock import DatabaseClock, utcnow
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.events import execution_channel, notices, organization_channel
from agentflow_app.core.jobs import hints
from agentflow_app.core.serialization import dumps
from agentflow_app.executions.base import RUN_JOB
from agentflow_app.executions.claims import EXPIRE, Claim
from agentflow_app.executions.endings import announce
from agentflow_app.executions.kin import Kin, Parent, child_signal
from agentflow_app.executions.models import ExecutionStep
from agentflow_app.executions.payloads import Kept, Refs, address, contents
from agentflow_app.executions.records import End, Record, numbered, record_writer, statement
from agentflow_app.executions.redaction import Redaction, redact_run, redaction_of
from engine.errors import LeaseLostError
from engine.events import Event, Totals, ended_event, event_for, resumed_event, started_event, waiting_event
from engine.ports import (
    Change,
    ExecutionEnd,
    LogEntry,
    Signal,
    StepChange,
    StepState,
    Usage,
    WaitingFor,
)
from engine.step import OPEN, WAITING

_PARK = text(
    """
    UPDATE executions SET status = 'waiting', waiting_for = cast(:waiting_for AS jsonb), lease_until = NULL,
        lease_owner = NULL, claims = 0,
        wake_at = CASE WHEN cancel_requested THEN now() ELSE cast(:wake_at AS timestamptz) END,
        active_ms = active_ms + (extract(epoch FROM now() - claimed_at) * 1000)::bigint
    WHERE id = :id
    """
)

_STANDING = text(
    "SELECT event_seq, started_at FROM executions WHERE id = :id AND epoch = :epoch AND status = 'running'"
)


@dataclass(slots=True)
class Standing:
    """Where an execution stands: how many events it has, since when it runs, and what its steps consumed."""

    seq: int
    started_at: datetime
    usage: dict[str, Usage] = field(default_factory=dict)
    bare: bool = False
    """Whether nothing is recorded of its steps yet."""


class PostgresJournal:
    """The journal of one claimed execution. `standing` is None where it is still to be read.

    `parent` waits for its end. `calls` is set once runs wait for nobody but this one.
    """

    def __init__(self, claim: Claim, standing: Standing | None = None, parent: Parent | None = None) -> None:
        self._claim = claim
        self._id = str(claim.id)
        self._standing = standing
        self._parent = parent
        self.calls = False
        self._opening: Event | None = None
        self._opened = False
        self._clock = DatabaseClock(claim.claimed_at)

    async def load(self) -> Sequence[StepState]:
        """Of one that nothing was written of yet nothing is read. Raises LeaseLostError."""
        standing = await self._stands()
        if standing.bare:
            return []
        async with database().transaction(org_id=self._claim.org_id) as tx:
            await self._ensure_ours(tx)
            states = await self._steps(tx)
        waits = [state.waiting_for for state in states if state.status == "waiting"]
        self.calls = self.calls or any(wait is not None and wait.kind == "child" for wait in waits)
        standing.usage = {state.step_id: state.usage for state in states if state.usage}
        return states

    async def write(self, changes: Sequence[Change]) -> None:
        record = await self._record(changes)
        await self._written(record, await record_writer().write(record))

    async def park(self, changes: Sequence[Change], waiting_for: WaitingFor) -> Sequence[Signal]:
        record = await self._record(changes)
        async with database().transaction(org_id=self._claim.org_id) as tx:
            await self._write_in(tx, record)
            await tx.execute(EXPIRE, {"ids": [self._claim.id]})
            rows = await tx.execute(
                select(col(ExecutionStep.id), col(ExecutionStep.signal)).where(
                    col(ExecutionStep.execution_id) == self._claim.id,
                    col(ExecutionStep.status).in_(WAITING),
                    col(ExecutionStep.signal).is_not(None),
                )
            )
            signals = [Signal(str(step_id), payload or {}) for step_id, payload in rows]
            if not signals:
                event = waiting_event(self._id, utcnow(), waiting_for)
                await self._write_in(tx, await self._record([], [event]))
                given = {
                    "id": self._claim.id,
                    "waiting_for": dumps(event["waiting_for"]),
                    "wake_at": waiting_for.until,
                }
                await tx.execute(_PARK, given)
                tx.after_commit(self._announce)
        return signals

    async def finish(self, changes: Sequence[Change], end: ExecutionEnd) -> None:
        record = await self._record(changes, end=end)
        if await record_writer().write(record):
            await self._written(record, True)
        else:
            end = await self._finish_redacted(changes, end)
        self._announce()
        if self._parent or self.calls:
            hints().give(RUN_JOB)
        announce(self._claim.id, end.status, end.output, end.error)

    async def give_up(self, error: Mapping[str, Any]) -> None:
        """Fails the execution wherever it stands: what ran has failed, what waited is cancelled."""
        now = utcnow()
        steps = [_closed(step, error, now) for step in await self.load() if step.status in OPEN]
        ran = [step.node_id for step in steps if step.status == "failed"]
        told = {**error, "node_id": ran[0] if ran else None}
        await self.finish(steps, ExecutionEnd("failed", now, error=told))

    async def _finish_redacted(self, changes: Sequence[Change], end: ExecutionEnd) -> ExecutionEnd:
        """The way of organizations that hide something, and of who finds out that the lease is lost."""
        async with database().transaction(org_id=self._claim.org_id) as tx:
            await self._ensure_ours(tx)
            redaction = await redaction_of(tx, self._claim.org_id)
            told = {"output": end.output, "error": end.error}
            if redaction:
                await self._write_in(tx, await self._record(changes, redaction=redaction))
                await redact_run(tx, self._claim.org_id, self._claim.id, redaction)
                end = replace(end, output=redaction.value(end.output), error=redaction.inside(end.error))
                changes = []
            # The step that waits for it needs what it came to as it is; that run hides it at its own end.
            record = await self._record(changes, end=end)
            if record.kin is not None:
                record = replace(record, kin=replace(record.kin, told={**(record.kin.told or {}), **told}))
            await self._write_in(tx, record, redacted=True)
        return end

    async def _stands(self) -> Standing:
        if self._standing is None:
            async with database().transaction(org_id=self._claim.org_id) as tx:
                row = (await tx.execute(_STANDING, self._key)).one_or_none()
            if row is None:
                raise LeaseLostError(f"Execution {self._id} is owned by another worker")
            self._standing = Standing(row[0], row[1] or self._claim.claimed_at)
        return self._standing

    @property
    def _key(self) -> dict[str, Any]:
        return {"id": self._claim.id, "epoch": self._claim.epoch}

    async def _ensure_ours(self, tx: Transaction) -> None:
        if (await tx.execute(_STANDING, self._key)).one_or_none() is None:
            raise LeaseLostError(f"Execution {self._id} is owned by another worker")

    async def _steps(self, tx: Transaction) -> list[StepState]:
        found = await tx.execute(
            select(ExecutionStep)
            .where(col(ExecutionStep.execution_id) == self._claim.id)
            .order_by(col(ExecutionStep.step_order))
        )
        rows = list(found.scalars())
        refs = [ref for row in rows for ref in (row.input_ref, row.output_ref)]
        known = await contents(tx, self._claim.id, refs)
        return [_state(row, known) for row in rows]

    async def _record(
        self,
        changes: Sequence[Change],
        more: Sequence[Event] = (),
        *,
        end: ExecutionEnd | None = None,
        redaction: Redaction | None = None,
    ) -> Record:
        """What is to be written now, with its events; a worker's first is that the run begins or goes on."""
        standing = await self._stands()
        kept, refs = Kept(), dict[str, Refs]()
        light = [self._light(change, kept, refs) for change in changes]
        steps = {change.step_id: change for change in light if isinstance(change, StepChange)}
        events = [event for change in light if (event := self._event(change, refs))]
        if redaction:
            events = [redaction.event(event) for event in events]
        if not self._opened:
            if self._opening is None:
                opening = resumed_event if standing.seq else started_event
                self._opening = opening(self._id, self._clock.now())
            events = [self._opening, *events]
        ended, kin = None, None
        if end is not None:
            usage = {**standing.usage, **{key: step.usage for key, step in steps.items() if step.usage}}
            totals = self._totals(standing, usage.values())
            output, ref = kept.keep(end.output)
            ended = End(end.status, output, end.error, totals.tokens, totals.cost, totals.duration_ms, ref)
            more = [*more, ended_event(self._id, end, totals, output_ref=address(self._claim.id, ref))]
            if self._parent or self.calls:
                told = child_signal(end.status, end.output, end.error, totals.tokens, totals.cost)
                kin = Kin(self._parent, told)
        return Record(
            org_id=self._claim.org_id,
            execution_id=self._claim.id,
            epoch=self._claim.epoch,
            seq=standing.seq,
            started_at=standing.started_at,
            events=[*events, *more],
            steps=list(steps.values()),
            logs=[change for change in changes if isinstance(change, LogEntry)],
            end=ended,
            kin=kin,
            kept=kept,
            refs=refs,
        )

    def _light(self, change: Change, kept: Kept, refs: dict[str, Refs]) -> Change:
        """The change without what is stored beside it, noted in `kept` and `refs`."""
        if not isinstance(change, StepChange):
            return change
        given, input_ref = kept.keep(change.input)
        output, output_ref = kept.keep(change.output)
        if input_ref is None and output_ref is None:
            refs.pop(change.step_id, None)
            return change
        refs[change.step_id] = Refs(input_ref, output_ref)
        return replace(change, input=given, output=output)

    def _event(self, change: Change, refs: Mapping[str, Refs]) -> Event | None:
        found = refs.get(change.step_id) if isinstance(change, StepChange) else None
        if found is None or found.output is None:
            return event_for(self._id, change)
        return event_for(self._id, change, output_ref=address(self._claim.id, found.output))

    def _totals(self, standing: Standing, usage: Iterable[Usage]) -> Totals:
        every = list(usage)
        seconds = (self._clock.now() - standing.started_at).total_seconds()
        return Totals(
            sum(each.tokens for each in every),
            sum((each.cost for each in every), Decimal(0)),
            max(round(seconds * 1000), 0),
        )

    async def _write_in(self, tx: Transaction, record: Record, *, redacted: bool = False) -> None:
        connection = await tx.connection()
        before, after = record.kin.around(record.execution_id, record.epoch) if record.kin else ((), ())
        for sql, given in before:
            await connection.exec_driver_sql(sql.decode(), dict(given))
        sql, given = statement([record], redacted=redacted)
        rows = (await connection.exec_driver_sql(sql.decode(), dict(given))).all()
        for sql, given in after:
            await connection.exec_driver_sql(sql.decode(), dict(given))
        await self._written(record, bool(rows), tx)

    async def _written(self, record: Record, done: bool, tx: Transaction | None = None) -> None:
        """It is on record, or will be when `tx` commits; whoever watches is told after that."""
        if not done:
            raise LeaseLostError(f"Execution {self._id} is owned by another worker")
        standing = await self._stands()
        standing.seq = record.seq + len(record.events)
        standing.bare = standing.bare and not record.steps
        standing.usage |= {step.step_id: step.usage for step in record.steps if step.usage}
        self._opened = True
        if record.events:
            notice = (execution_channel(self._claim.id), numbered(record))
            if tx is None:
                notices().post([notice])
            else:
                tx.after_commit(lambda: notices().post([notice]))

    def _announce(self) -> None:
        notices().post([(organization_channel(self._claim.org_id), self._id)])


def _closed(step: StepState, error: Mapping[str, Any], now: datetime) -> StepChange:
    ran = step.status == "running"
    return StepChange(
        step.step_id,
        step.node_id,
        step.iteration,
        step.order,
        "failed" if ran else "cancelled",
        now,
        attempt=step.attempt,
        input=step.input,
        error=error if ran else None,
        usage=step.usage,
        started_at=step.started_at,
        completed_at=now,
    )


def _state(row: ExecutionStep, known: Mapping[UUID, Any]) -> StepState:
    waiting, usage = row.waiting_for, row.usage
    return StepState(
        step_id=str(row.id),
        node_id=row.node_id,
        iteration=tuple(row.iteration),
        order=row.step_order,
        status=row.status,  # type: ignore[arg-type]  # the column holds what StepStatus lists
        attempt=row.attempts,
        input=known[row.input_ref] if row.input_ref else row.input_data,
        output=known[row.output_ref] if row.output_ref else row.output_data,
        handle=row.handle,
        error=row.error,
        waiting_for=WaitingFor(waiting["kind"], row.wait_until, waiting["details"]) if waiting else None,
        retry_at=row.retry_at,
        signal=row.signal,
        usage=_usage(usage) if usage else None,
        started_at=row.started_at,
    )


def _usage(stored: Mapping[str, Any]) -> Usage:
    amounts = {name: Decimal(stored.get(name, 0)) for name in ("cost", "delegated")}
    return Usage(**{**stored, **amounts})
