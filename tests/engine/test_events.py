from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from engine import events
from engine.ports import ExecutionEnd, LogEntry, StepChange, Usage, WaitingFor

AT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
HEAD = {
    "execution_id": "e",
    "step_id": "s",
    "node_id": "n",
    "iteration": [0, 2],
    "timestamp": "2030-01-02T03:04:05Z",
}
ERROR = {"code": "X", "message": "m", "node_id": "n", "details": {}}


def change(status, **more):
    return StepChange("s", "n", (0, 2), 1, status, AT, **more)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (change("running", attempt=2), {"type": "step.started", "attempt": 2}),
        (
            change("completed", output={"a": 1}, duration_ms=5, usage=Usage(10, 5, cost=Decimal("0.001200"))),
            {
                "type": "step.completed",
                "output": {"a": 1},
                "tokens_used": 15,
                "cost": "0.0012",
                "duration_ms": 5,
            },
        ),
        (
            change("completed"),
            {"type": "step.completed", "output": None, "tokens_used": 0, "cost": "0", "duration_ms": None},
        ),
        (change("skipped"), {"type": "step.skipped"}),
        (change("cancelled"), {"type": "step.cancelled"}),
        (change("failed", error=ERROR), {"type": "step.failed", "error": ERROR}),
        (
            change("retrying", error=ERROR, attempt=1, retry_at=AT + timedelta(seconds=2)),
            {"type": "step.retrying", "error": ERROR, "attempt": 1, "retry_at": "2030-01-02T03:04:07Z"},
        ),
        (change("uncertain", error=ERROR), {"type": "step.uncertain", "error": ERROR}),
        (
            change("waiting_approval", waiting_for=WaitingFor("approval", AT, {"step_id": "s", "state": 1})),
            {
                "type": "step.waiting_approval",
                "waiting_for": {"kind": "approval", "until": "2030-01-02T03:04:05Z", "step_id": "s"},
            },
        ),
        (
            change("waiting", waiting_for=WaitingFor("timer")),
            {"type": "step.waiting", "waiting_for": {"kind": "timer"}},
        ),
    ],
)
def test_events_of_steps(made, expected):
    assert events.event_for("e", made) == {**HEAD, **expected}


def test_a_pending_step_is_no_event():
    assert events.event_for("e", change("pending")) is None


def test_an_output_stored_elsewhere_is_named_instead():
    event = events.step_event("e", change("completed", output="large"), output_ref="blob-1")
    assert event is not None
    assert event["output_ref"] == "blob-1"
    assert "output" not in event


def test_logs_and_tokens():
    entry = LogEntry(AT, "info", "hello", {"a": 1}, "s", "n")
    assert events.event_for("e", entry) == {
        "type": "log",
        "execution_id": "e",
        "step_id": "s",
        "node_id": "n",
        "timestamp": HEAD["timestamp"],
        "level": "info",
        "message": "hello",
        "data": {"a": 1},
    }
    assert events.token_event("e", "s", "n", (0, 2), "hi", AT) == {**HEAD, "type": "step.token", "text": "hi"}


def test_events_of_executions():
    head = {"execution_id": "e", "timestamp": HEAD["timestamp"]}
    totals = events.Totals(15, Decimal("1.50"), 20)
    assert events.started_event("e", AT) == {**head, "type": "execution.started"}
    assert events.resumed_event("e", AT) == {**head, "type": "execution.resumed"}
    assert events.waiting_event("e", AT, WaitingFor("timer", AT)) == {
        **head,
        "type": "execution.waiting",
        "waiting_for": {"kind": "timer", "until": HEAD["timestamp"]},
    }
    assert events.ended_event("e", ExecutionEnd("completed", AT, {"a": 1}), totals) == {
        **head,
        "type": "execution.completed",
        "output": {"a": 1},
        "total_tokens": 15,
        "total_cost": "1.5",
        "duration_ms": 20,
    }
    failed = events.ended_event("e", ExecutionEnd("failed", AT, error=ERROR), totals)
    assert failed == {**head, "type": "execution.failed", "error": ERROR}
    cancelled = events.ended_event("e", ExecutionEnd("cancelled", AT), totals)
    assert cancelled == {**head, "type": "execution.cancelled"}


def test_times_are_utc_and_money_is_plain():
    assert events.timestamp(AT.astimezone(timezone(timedelta(hours=5)))) == "2030-01-02T03:04:05Z"
    assert events.money(Decimal("1E-7")) == "0.0000001"
    assert events.money(Decimal("100")) == "100"
