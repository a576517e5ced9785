"""The engine's journal in Postgres: what happened and its events, together, under the lease's epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select, text
from sqlmodel import col

from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.events import execution_channel, organization_channel, publish
from agentflow_app.core.ids import new_id
from agentflow_app.core.serialization import dumps
from agentflow_app.executions.claims import EXPIRE, Claim
from agentflow_app.executions.models import ExecutionStep
from agentflow_app.executions.redaction import Redaction, redact_run, redaction_of
from engine.errors import LeaseLostError
from engine.events import Totals, ended_event, event_for, resumed_event, started_event, waiting_event
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
from engine.step import OPEN

_OPEN_WAITS = ("waiting", "waiting_approval")

_OWN = text(
    """
    UPDATE executions SET event_seq = event_seq + :events,
        claims = CASE WHEN :progress THEN 0 ELSE claims END
    WHERE id = :id AND epoch = :epoch AND status = 'running' RETURNING event_seq - :events AS base
    """
)

_STEPS = text(
    """
    INSERT INTO execution_steps (id, org_id, execution_id, node_id, iteration, step_order, status, attempts,
        input_data, output_data, handle, error, waiting_for, wait_until, retry_at, tokens_used, usage, cost,
        duration_ms, started_at, completed_at)
    SELECT id, :org, :execution, node_id, iteration, step_order, status, attempts, input_data, output_data,
        handle, error, waiting_for, wait_until, retry_at, tokens_used, usage, cost, duration_ms, started_at,
        completed_at
    FROM jsonb_to_recordset(cast(:steps AS jsonb)) AS s(id uuid, node_id text, iteration int[],
        step_order int, status text, attempts int, input_data jsonb, output_data jsonb, handle text,
        error jsonb, waiting_for jsonb, wait_until timestamptz, retry_at timestamptz, tokens_used bigint,
        usage jsonb, cost numeric, duration_ms bigint, started_at timestamptz, completed_at timestamptz)
    ON CONFLICT (execution_id, node_id, iteration) DO UPDATE SET
        step_order = excluded.step_order, status = excluded.status, attempts = excluded.attempts,
        input_data = excluded.input_data, output_data = excluded.output_data, handle = excluded.handle,
        error = excluded.error, waiting_for = excluded.waiting_for, wait_until = excluded.wait_until,
        retry_at = excluded.retry_at, tokens_used = excluded.tokens_used, usage = excluded.usage,
        cost = excluded.cost, duration_ms = excluded.duration_ms, started_at = excluded.started_at,
        completed_at = excluded.completed_at,
        signal = CASE WHEN excluded.status IN ('waiting', 'waiting_approval')
            THEN execution_steps.signal END
    """
)

_EVENTS = text(
    """
    INSERT INTO execution_events (execution_id, seq, org_id, event)
    SELECT :execution, (value ->> 'seq')::int, :org, value
    FROM jsonb_array_elements(cast(:events AS jsonb)) AS value
    """
)

_LOGS = text(
    """
    INSERT INTO execution_logs (id, org_id, execution_id, step_id, level, message, data, created_at)
    SELECT id, :org, :execution, step_id, level, message, data, created_at
    FROM jsonb_to_recordset(cast(:logs AS jsonb)) AS l(id uuid, step_id uuid, level text, message text,
        data jsonb, created_at timestamptz)
    """
)

_PARK = text(
    """
    UPDATE executions SET status = 'waiting', waiting_for = cast(:waiting_for AS jsonb), lease_until = NULL,
        lease_owner = NULL, claims = 0,
        wake_at = CASE WHEN cancel_requested THEN now() ELSE cast(:wake_at AS timestamptz) END,
        active_ms = active_ms + (extract(epoch FROM now() - claimed_at) * 1000)::bigint
    WHERE id = :id
    """
)

_TOTALS = text(
    """
    SELECT coalesce(sum(s.tokens_used), 0)::bigint AS total_tokens, coalesce(sum(s.cost), 0) AS total_cost,
        greatest((extract(epoch FROM now() - e.started_at) * 1000)::bigint, 0) AS duration_ms, e.dry_run
    FROM executions e LEFT JOIN execution_steps s ON s.execution_id = e.id
    WHERE e.id = :id GROUP BY e.id
    """
)

_FINISH = text(
    """
    UPDATE executions SET status = :status, output = cast(:output AS jsonb), error = cast(:error AS jsonb),
        waiting_for = NULL, wake_at = NULL, lease_until = NULL, lease_owner = NULL, completed_at = now(),
        duration_ms = :duration_ms, total_tokens = :total_tokens, total_cost = :total_cost,
        active_ms = active_ms + (extract(epoch FROM now() - claimed_at) * 1000)::bigint
    WHERE id = :id
    """
)

_USAGE = text(
    """
    INSERT INTO usage_records (id, org_id, execution_id, record_type, quantity, unit_cost)
    VALUES (:run_id, :org, :execution, 'execution', 1, :cost),
        (:token_id, :org, :execution, 'tokens', :tokens, 0)
    ON CONFLICT (execution_id, record_type) DO NOTHING
    """
)


class PostgresJournal:
    """The journal of one claimed execution."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._id = str(claim.id)
        self._scope = {"execution": claim.id, "org": claim.org_id}

    async def load(self) -> Sequence[StepState]:
        """Also tells subscribers that the execution has begun, or goes on."""
        async with database().transaction(org_id=self._claim.org_id) as tx:
            first = (
                await tx.execute(
                    text(
                        "UPDATE executions SET started_at = coalesce(started_at, now()), waiting_for = NULL"
                        " WHERE id = :id AND epoch = :epoch RETURNING event_seq = 0"
                    ),
                    {"id": self._claim.id, "epoch": self._claim.epoch},
                )
            ).scalar_one_or_none()
            event = (started_event if first else resumed_event)(self._id, utcnow())
            await self._record(tx, [event], progress=False)
            return await self._steps(tx)

    async def write(self, changes: Sequence[Change]) -> None:
        async with database().transaction(org_id=self._claim.org_id) as tx:
            await self._write(tx, changes)

    async def park(self, changes: Sequence[Change], waiting_for: WaitingFor) -> Sequence[Signal]:
        async with database().transaction(org_id=self._claim.org_id) as tx:
            await self._write(tx, changes)
            await tx.execute(
                EXPIRE,
                {"ids": [self._claim.id]},
            )
            rows = await tx.execute(
                select(col(ExecutionStep.id), col(ExecutionStep.signal)).where(
                    col(ExecutionStep.execution_id) == self._claim.id,
                    col(ExecutionStep.status).in_(_OPEN_WAITS),
                    col(ExecutionStep.signal).is_not(None),
                )
            )
            signals = [Signal(str(step_id), payload or {}) for step_id, payload in rows]
            if signals:
                return signals
            event = waiting_event(self._id, utcnow(), waiting_for)
            await self._record(tx, [event], progress=False)
            await tx.execute(
                _PARK,
                {
                    "id": self._claim.id,
                    "waiting_for": dumps(event["waiting_for"]),
                    "wake_at": waiting_for.until,
                },
            )
            self._announce(tx)
        return []

    async def finish(self, changes: Sequence[Change], end: ExecutionEnd) -> None:
        async with database().transaction(org_id=self._claim.org_id) as tx:
            await self._finish(tx, changes, end)

    async def give_up(self, error: Mapping[str, Any]) -> None:
        """Fails the execution wherever it stands: what ran has failed, what waited is cancelled."""
        async with database().transaction(org_id=self._claim.org_id) as tx:
            now = utcnow()
            steps = [_closed(step, error, now) for step in await self._steps(tx) if step.status in OPEN]
            ran = [step.node_id for step in steps if step.status == "failed"]
            told = {**error, "node_id": ran[0] if ran else None}
            await self._finish(tx, steps, ExecutionEnd("failed", now, error=told))

    async def _steps(self, tx: Transaction) -> list[StepState]:
        rows = await tx.execute(
            select(ExecutionStep)
            .where(col(ExecutionStep.execution_id) == self._claim.id)
            .order_by(col(ExecutionStep.step_order))
        )
        return [_state(row) for row in rows.scalars()]

    async def _finish(self, tx: Transaction, changes: Sequence[Change], end: ExecutionEnd) -> None:
        redaction = await redaction_of(tx, self._claim.org_id)
        await self._write(tx, changes, redaction)
        if redaction:
            await redact_run(tx, self._claim.org_id, self._claim.id, redaction)
            end = replace(end, output=redaction.value(end.output), error=redaction.inside(end.error))
        totals = (await tx.execute(_TOTALS, {"id": self._claim.id})).mappings().one()
        event = ended_event(
            self._id, end, Totals(totals["total_tokens"], totals["total_cost"], totals["duration_ms"])
        )
        await self._record(tx, [event], progress=True)
        await tx.execute(
            _FINISH,
            {
                "id": self._claim.id,
                "status": end.status,
                "output": dumps(end.output),
                "error": dumps(end.error),
                "duration_ms": totals["duration_ms"],
                "total_tokens": totals["total_tokens"],
                "total_cost": totals["total_cost"],
            },
        )
        if not totals["dry_run"]:
            await tx.execute(
                _USAGE,
                {
                    **self._scope,
                    "run_id": new_id(),
                    "token_id": new_id(),
                    "cost": totals["total_cost"],
                    "tokens": totals["total_tokens"],
                },
            )
        self._announce(tx)

    async def _write(
        self, tx: Transaction, changes: Sequence[Change], redaction: Redaction | None = None
    ) -> None:
        steps = {change.step_id: change for change in changes if isinstance(change, StepChange)}
        logs = [change for change in changes if isinstance(change, LogEntry)]
        progress = any(step.status in ("completed", "failed", "skipped") for step in steps.values())
        events = [event for change in changes if (event := event_for(self._id, change))]
        if redaction:
            events = [redaction.event(event) for event in events]
        await self._record(tx, events, progress=progress)
        if steps:
            await tx.execute(_STEPS, {**self._scope, "steps": dumps([_row(s) for s in steps.values()])})
        if logs:
            await tx.execute(_LOGS, {**self._scope, "logs": dumps([_log_row(entry) for entry in logs])})

    async def _record(self, tx: Transaction, events: list[dict[str, Any]], *, progress: bool) -> None:
        """Numbers and stores the events; the update is also the check that the lease is still ours."""
        base = (
            await tx.execute(
                _OWN,
                {
                    "events": len(events),
                    "progress": progress,
                    "id": self._claim.id,
                    "epoch": self._claim.epoch,
                },
            )
        ).scalar_one_or_none()
        if base is None:
            raise LeaseLostError(f"Execution {self._id} is owned by another worker")
        numbered = [{"seq": base + place, **event} for place, event in enumerate(events, 1)]
        if numbered:
            await tx.execute(_EVENTS, {**self._scope, "events": dumps(numbered)})
            channel = execution_channel(self._claim.id)
            tx.after_commit(lambda: publish([(channel, numbered)]))

    def _announce(self, tx: Transaction) -> None:
        channel = organization_channel(self._claim.org_id)
        tx.after_commit(lambda: publish([(channel, self._id)]))


def _row(step: StepChange) -> dict[str, Any]:
    usage = step.usage
    return {
        "id": step.step_id,
        "node_id": step.node_id,
        "iteration": list(step.iteration),
        "step_order": step.order,
        "status": step.status,
        "attempts": step.attempt,
        "input_data": step.input,
        "output_data": step.output,
        "handle": step.handle,
        "error": step.error,
        "waiting_for": _waiting_row(step.waiting_for) if step.waiting_for else None,
        "wait_until": step.waiting_for.until if step.waiting_for else None,
        "retry_at": step.retry_at,
        "tokens_used": usage.tokens if usage else 0,
        "usage": asdict(usage) if usage else None,
        "cost": usage.cost if usage else 0,
        "duration_ms": step.duration_ms,
        "started_at": step.started_at,
        "completed_at": step.completed_at,
    }


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


def _log_row(entry: LogEntry) -> dict[str, Any]:
    return {
        "id": new_id(),
        "step_id": entry.step_id,
        "level": entry.level,
        "message": entry.message,
        "data": entry.data,
        "created_at": entry.at,
    }


def _waiting_row(waiting: WaitingFor) -> dict[str, Any]:
    until = waiting.until.isoformat() if waiting.until else None
    return {"kind": waiting.kind, "until": until, "details": dict(waiting.details)}


def _state(row: ExecutionStep) -> StepState:
    waiting, usage = row.waiting_for, row.usage
    return StepState(
        step_id=str(row.id),
        node_id=row.node_id,
        iteration=tuple(row.iteration),
        order=row.step_order,
        status=row.status,  # type: ignore[arg-type]  # the column holds what StepStatus lists
        attempt=row.attempts,
        input=row.input_data,
        output=row.output_data,
        handle=row.handle,
        error=row.error,
        waiting_for=WaitingFor(waiting["kind"], row.wait_until, waiting["details"]) if waiting else None,
        retry_at=row.retry_at,
        signal=row.signal,
        usage=Usage(**{**usage, "cost": Decimal(usage["cost"])}) if usage else None,
        started_at=row.started_at,
    )
