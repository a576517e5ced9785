"""How what is journalled gets into the tables: one statement for any number of an organization's runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from agentflow_app.core.ids import new_id
from agentflow_app.core.lanes import Batches, lanes
from agentflow_app.core.pipeline import Statement
from agentflow_app.core.serialization import dumps
from agentflow_app.executions.kin import Kin
from agentflow_app.executions.payloads import Kept, Refs
from engine.events import Event
from engine.ports import LogEntry, StepChange, Usage, WaitingFor


@dataclass(frozen=True, slots=True)
class End:
    """How an execution ended, with its totals. `cost` is USD."""

    status: str
    output: Any
    error: Mapping[str, Any] | None
    tokens: int
    cost: Decimal
    duration_ms: int
    output_ref: UUID | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What one execution has to write, under its lease. `events` are numbered from `seq` + 1 on.

    `kin`: other runs that its end concerns. `kept` is what is stored beside it, `refs` says by
    step id what refers to that.
    """

    org_id: UUID
    execution_id: UUID
    epoch: int
    seq: int
    started_at: datetime
    events: Sequence[Event]
    steps: Sequence[StepChange] = ()
    logs: Sequence[LogEntry] = ()
    end: End | None = None
    kin: Kin | None = None
    kept: Kept = field(default_factory=Kept)
    refs: Mapping[str, Refs] = field(default_factory=dict)
    usage_ids: tuple[UUID, UUID] = field(default_factory=lambda: (new_id(), new_id()))

    @property
    def progress(self) -> bool:
        return self.end is not None or any(
            step.status in ("completed", "failed", "skipped") for step in self.steps
        )


# What a called run came to may be there before the step that called it waits, or is begun again.
# An end is written here only where the organization redacts nothing; the caller does the others.
WRITE = """
WITH given AS (
    SELECT * FROM jsonb_to_recordset(%(records)s::jsonb) AS r(id uuid, epoch int, seq int, count int,
        progress boolean, started_at timestamptz, status text, output jsonb, error jsonb, tokens bigint,
        cost numeric, duration_ms bigint, output_ref uuid, run_id uuid, token_id uuid)
), own AS (
    UPDATE executions e SET event_seq = g.seq + g.count, waiting_for = NULL,
        started_at = coalesce(e.started_at, g.started_at),
        claims = CASE WHEN g.progress THEN 0 ELSE e.claims END,
        status = coalesce(g.status, e.status),
        output = g.output, output_ref = g.output_ref, error = g.error, duration_ms = g.duration_ms,
        total_tokens = coalesce(g.tokens, e.total_tokens), total_cost = coalesce(g.cost, e.total_cost),
        wake_at = NULL,
        lease_until = CASE WHEN g.status IS NULL THEN e.lease_until END,
        lease_owner = CASE WHEN g.status IS NULL THEN e.lease_owner END,
        completed_at = CASE WHEN g.status IS NOT NULL THEN now() END,
        error_agent_id = CASE WHEN g.status = 'failed' AND NOT e.dry_run AND NOT e.trigger ? 'after_error'
            THEN (SELECT (a.settings ->> 'error_agent_id')::uuid FROM agents a WHERE a.id = e.agent_id) END,
        active_ms = e.active_ms + CASE WHEN g.status IS NULL THEN 0
            ELSE (extract(epoch FROM now() - e.claimed_at) * 1000)::bigint END
    FROM given g
    WHERE e.id = g.id AND e.epoch = g.epoch AND e.event_seq = g.seq AND e.status = 'running'
        AND (g.status IS NULL OR %(redacted)s::boolean OR NOT EXISTS (
            SELECT 1 FROM organizations o WHERE o.id = %(org)s
                AND jsonb_array_length(coalesce(o.settings -> 'redact_fields', '[]')) > 0))
    RETURNING e.id, e.dry_run, g.status, g.tokens, g.cost, g.run_id, g.token_id
), steps AS (
    INSERT INTO execution_steps (id, org_id, execution_id, node_id, iteration, step_order, status, attempts,
        input_data, output_data, input_ref, output_ref, handle, error, waiting_for, wait_until, retry_at,
        tokens_used, usage, cost, duration_ms, started_at, completed_at)
    SELECT s.id, %(org)s, own.id, s.node_id, s.iteration, s.step_order, s.status, s.attempts, s.input_data,
        s.output_data, s.input_ref, s.output_ref, s.handle, s.error, s.waiting_for, s.wait_until, s.retry_at,
        s.tokens_used, s.usage, s.cost, s.duration_ms, s.started_at, s.completed_at
    FROM jsonb_to_recordset(%(steps)s::jsonb) AS s(execution_id uuid, id uuid, node_id text, iteration int[],
        step_order int, status text, attempts int, input_data jsonb, output_data jsonb, input_ref uuid,
        output_ref uuid, handle text,
        error jsonb, waiting_for jsonb, wait_until timestamptz, retry_at timestamptz, tokens_used bigint,
        usage jsonb, cost numeric, duration_ms bigint, started_at timestamptz, completed_at timestamptz)
        JOIN own ON own.id = s.execution_id
    ON CONFLICT (execution_id, node_id, iteration) DO UPDATE SET
        step_order = excluded.step_order, status = excluded.status, attempts = excluded.attempts,
        input_data = excluded.input_data, output_data = excluded.output_data,
        input_ref = excluded.input_ref, output_ref = excluded.output_ref, handle = excluded.handle,
        error = excluded.error, waiting_for = excluded.waiting_for, wait_until = excluded.wait_until,
        retry_at = excluded.retry_at, tokens_used = excluded.tokens_used, usage = excluded.usage,
        cost = excluded.cost, duration_ms = excluded.duration_ms, started_at = excluded.started_at,
        completed_at = excluded.completed_at,
        signal = CASE WHEN excluded.status IN ('waiting', 'waiting_approval', 'uncertain')
            OR (excluded.status = 'running' AND execution_steps.signal ->> 'kind' = 'child')
            THEN execution_steps.signal END
){payloads}, events AS (
    INSERT INTO execution_events (execution_id, seq, org_id, event)
    SELECT own.id, (v ->> 'seq')::int, %(org)s, v
    FROM jsonb_array_elements(%(events)s::jsonb) AS v JOIN own ON own.id = (v ->> 'execution_id')::uuid
), logs AS (
    INSERT INTO execution_logs (id, org_id, execution_id, step_id, level, message, data, created_at)
    SELECT l.id, %(org)s, own.id, l.step_id, l.level, l.message, l.data, l.created_at
    FROM jsonb_to_recordset(%(logs)s::jsonb) AS l(execution_id uuid, id uuid, step_id uuid, level text,
        message text, data jsonb, created_at timestamptz) JOIN own ON own.id = l.execution_id
), consumed AS (
    INSERT INTO usage_records (id, org_id, execution_id, record_type, quantity, unit_cost)
    SELECT u.id, %(org)s, own.id, u.kind, u.quantity, u.cost
    FROM own CROSS JOIN LATERAL (VALUES (own.run_id, 'execution', 1::bigint, own.cost),
        (own.token_id, 'tokens', own.tokens, 0)) AS u(id, kind, quantity, cost)
    WHERE own.status IS NOT NULL AND NOT own.dry_run
    ON CONFLICT (execution_id, record_type) DO UPDATE SET
        quantity = excluded.quantity, unit_cost = excluded.unit_cost
)
SELECT id FROM own
"""


_PAYLOADS = """, payloads AS (
    INSERT INTO payloads (execution_id, id, org_id, size, content)
    SELECT own.id, p.id, %(org)s, p.size, p.content
    FROM jsonb_to_recordset(%(payloads)s::jsonb) AS p(execution_id uuid, id uuid, size bigint, content jsonb)
        JOIN own ON own.id = p.execution_id
    ON CONFLICT DO NOTHING
)"""
_LIGHT = WRITE.replace("{payloads}", "").encode()
_HEAVY = WRITE.replace("{payloads}", _PAYLOADS).encode()


def statement(records: Sequence[Record], *, redacted: bool = False) -> Statement:
    """Writes what is still under its lease and answers with the ids of that. All of one organization.

    `redacted`: what is to stay hidden has been taken out of ends already.
    """
    given = {
        "org": records[0].org_id,
        "redacted": redacted,
        "records": dumps([_record_row(record) for record in records]),
        "steps": dumps([_step_row(record, step) for record in records for step in record.steps]),
        "events": dumps([event for record in records for event in numbered(record)]),
        "logs": dumps([_log_row(record.execution_id, entry) for record in records for entry in record.logs]),
    }
    heavy = [row for record in records for row in record.kept.rows(record.execution_id)]
    if not heavy:
        return _LIGHT, given
    rows = [{**row, "content": orjson.Fragment(row["content"])} for row in heavy]
    return _HEAVY, {**given, "payloads": dumps(rows)}


def numbered(record: Record) -> list[Event]:
    return [{"seq": record.seq + place, **event} for place, event in enumerate(record.events, 1)]


class RecordWriter:
    """Writes what all executions of this process have to write, together where it comes together."""

    def __init__(self) -> None:
        self._batches: Batches[Record, bool] = Batches(self._together)

    async def write(self, record: Record) -> bool:
        """Whether it was written; committed when it returns. Raises Unavailable and psycopg.Error."""
        return await self._batches.ask(record)

    async def _together(self, records: list[Record]) -> list[bool | Exception]:
        groups: dict[tuple[UUID, int, UUID | None], list[Record]] = {}
        met: Counter[UUID] = Counter()
        for record in records:
            # An execution that this process lost and claimed anew may have two writers for a moment.
            alone = record.execution_id if record.kin else None
            groups.setdefault((record.org_id, met[record.execution_id], alone), []).append(record)
            met[record.execution_id] += 1
        written: dict[int, bool | Exception] = {}
        for some in groups.values():
            answers = await self._of_one_organization(some)
            written |= {id(record): answer for record, answer in zip(some, answers, strict=True)}
        return [written[id(record)] for record in records]

    async def _of_one_organization(self, records: list[Record]) -> list[bool | Exception]:
        kin = records[0].kin
        before, after = kin.around(records[0].execution_id, records[0].epoch) if kin else ((), ())
        try:
            given = [*before, statement(records), *after]
            rows = (await lanes().transact(records[0].org_id, given))[len(before)]
        except Exception as error:
            if len(records) == 1:
                return [error]
            # One of them may be what Postgres refuses; the others must not fail with it.
            return [(await self._of_one_organization([record]))[0] for record in records]
        done = {row[0] for row in rows}
        return [record.execution_id in done for record in records]


@lru_cache(maxsize=1)
def record_writer() -> RecordWriter:
    """The one of this process."""
    return RecordWriter()


_HERE = Refs()


def _record_row(record: Record) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": record.execution_id,
        "epoch": record.epoch,
        "seq": record.seq,
        "count": len(record.events),
        "progress": record.progress,
        "started_at": record.started_at,
    }
    if record.end is not None:
        row |= asdict(record.end)
        row["run_id"], row["token_id"] = record.usage_ids
    return row


def _step_row(record: Record, step: StepChange) -> dict[str, Any]:
    usage, refs = step.usage, record.refs.get(step.step_id, _HERE)
    return {
        "execution_id": record.execution_id,
        "id": step.step_id,
        "node_id": step.node_id,
        "iteration": step.iteration,
        "step_order": step.order,
        "status": step.status,
        "attempts": step.attempt,
        "input_data": step.input,
        "output_data": step.output,
        "input_ref": refs.input,
        "output_ref": refs.output,
        "handle": step.handle,
        "error": step.error,
        "waiting_for": _waiting_row(step.waiting_for) if step.waiting_for else None,
        "wait_until": step.waiting_for.until if step.waiting_for else None,
        "retry_at": step.retry_at,
        "tokens_used": usage.tokens if usage else 0,
        "usage": _usage_row(usage) if usage else None,
        "cost": usage.cost if usage else 0,
        "duration_ms": step.duration_ms,
        "started_at": step.started_at,
        "completed_at": step.completed_at,
    }


def _log_row(execution_id: UUID, entry: LogEntry) -> dict[str, Any]:
    return {
        "execution_id": execution_id,
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


def _usage_row(usage: Usage) -> dict[str, Any]:
    """Workers of an earlier version read it, too: they know nothing of what runs delegate."""
    row = asdict(usage)
    if not usage.delegated:
        del row["delegated"]
    return row
