"""The events of an execution, as pure functions of what is journalled. The journal adds `seq`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from engine.ports import Change, ExecutionEnd, Iteration, LogEntry, StepChange, StepStatus, WaitingFor

Event = dict[str, Any]

_STEP_TYPES: dict[StepStatus, str] = {
    "running": "step.started",
    "retrying": "step.retrying",
    "waiting": "step.waiting",
    "waiting_approval": "step.waiting_approval",
    "uncertain": "step.uncertain",
    "completed": "step.completed",
    "failed": "step.failed",
    "skipped": "step.skipped",
    "cancelled": "step.cancelled",
}
STATE_KEY = "state"
"""Where a parked step keeps what it needs to go on, in its `waiting_for.details`; never shown."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What a whole execution consumed. `cost` is USD."""

    tokens: int
    cost: Decimal
    duration_ms: int


def timestamp(at: datetime) -> str:
    """RFC 3339, UTC."""
    return (at if at.tzinfo is UTC else at.astimezone(UTC)).isoformat()[:-6] + "Z"


def money(amount: Decimal) -> str:
    """USD as a plain decimal string, without trailing zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def waiting_json(waiting_for: WaitingFor) -> dict[str, Any]:
    """`{kind, step_id?, until?, …}` as the API shows it."""
    shown: dict[str, Any] = {"kind": waiting_for.kind}
    if waiting_for.until is not None:
        shown["until"] = timestamp(waiting_for.until)
    return {**{key: value for key, value in waiting_for.details.items() if key != STATE_KEY}, **shown}


def step_event(execution_id: str, change: StepChange, *, output_ref: str | None = None) -> Event | None:
    """The event of a step's change; None for `pending`. `output_ref`: its output is stored elsewhere."""
    kind = _STEP_TYPES.get(change.status)
    if kind is None:
        return None
    event = _step_head(kind, execution_id, change.step_id, change.node_id, change.iteration, change.at)
    if change.status == "running":
        event["attempt"] = change.attempt
    elif change.status == "completed":
        if output_ref is None:
            event["output"] = change.output
        else:
            event["output_ref"] = output_ref
        event["tokens_used"] = change.usage.tokens if change.usage else 0
        event["cost"] = money(change.usage.cost) if change.usage else "0"
        event["duration_ms"] = change.duration_ms
    elif change.status in ("failed", "retrying", "uncertain"):
        event["error"] = change.error
        if change.status == "retrying":
            event["attempt"] = change.attempt
            event["retry_at"] = timestamp(change.retry_at) if change.retry_at else None
    elif change.status in ("waiting", "waiting_approval") and change.waiting_for is not None:
        event["waiting_for"] = waiting_json(change.waiting_for)
    return event


def log_event(execution_id: str, entry: LogEntry) -> Event:
    return {
        "type": "log",
        "execution_id": execution_id,
        "step_id": entry.step_id,
        "node_id": entry.node_id,
        "timestamp": timestamp(entry.at),
        "level": entry.level,
        "message": entry.message,
        "data": dict(entry.data) if entry.data is not None else None,
    }


def event_for(execution_id: str, change: Change, *, output_ref: str | None = None) -> Event | None:
    """The event of anything that is journalled. `output_ref`: a step's output is stored elsewhere."""
    if isinstance(change, StepChange):
        return step_event(execution_id, change, output_ref=output_ref)
    return log_event(execution_id, change)


def token_event(
    execution_id: str, step_id: str, node_id: str, iteration: Iteration, text: str, at: datetime
) -> Event:
    """Live only: it has no `seq` and is stored nowhere."""
    return {**_step_head("step.token", execution_id, step_id, node_id, iteration, at), "text": text}


def started_event(execution_id: str, at: datetime) -> Event:
    return _execution_head("execution.started", execution_id, at)


def resumed_event(execution_id: str, at: datetime) -> Event:
    return _execution_head("execution.resumed", execution_id, at)


def waiting_event(execution_id: str, at: datetime, waiting_for: WaitingFor) -> Event:
    head = _execution_head("execution.waiting", execution_id, at)
    return {**head, "waiting_for": waiting_json(waiting_for)}


def ended_event(
    execution_id: str, end: ExecutionEnd, totals: Totals, *, output_ref: str | None = None
) -> Event:
    event = _execution_head(f"execution.{end.status}", execution_id, end.at)
    if end.status == "completed":
        event |= {"output": end.output} if output_ref is None else {"output_ref": output_ref}
        event["total_tokens"] = totals.tokens
        event["total_cost"] = money(totals.cost)
        event["duration_ms"] = totals.duration_ms
    elif end.status == "failed":
        event["error"] = dict(end.error) if end.error is not None else None
    return event


def error_json(code: str, message: str, node_id: str | None, details: Mapping[str, Any]) -> dict[str, Any]:
    """The error of a step or an execution."""
    return {"code": code, "message": message, "node_id": node_id, "details": dict(details)}


def _step_head(
    kind: str, execution_id: str, step_id: str, node_id: str, iteration: Iteration, at: datetime
) -> Event:
    return {
        "type": kind,
        "execution_id": execution_id,
        "step_id": step_id,
        "node_id": node_id,
        "iteration": list(iteration),
        "timestamp": timestamp(at),
    }


def _execution_head(kind: str, execution_id: str, at: datetime) -> Event:
    return {"type": kind, "execution_id": execution_id, "timestamp": timestamp(at)}
