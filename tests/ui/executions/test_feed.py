from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from agentflow_app.executions.schemas import StepOut
from agentflow_app.ui.executions.feed import RunFeed
from agentflow_app.ui.executions.view import NodeNames

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = NodeNames(labels={"ask": "Ask"}, kinds={"ask": ("ai", "Chat", "message-square")})
STEP = uuid4()


def event(kind: str, *, at: float = 0, step: UUID = STEP, **more: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "step_id": str(step),
        "node_id": "ask",
        "iteration": [],
        "timestamp": (START + timedelta(seconds=at)).isoformat(),
        **more,
    }


def recorded(status: str, *, done_at: float | None = None) -> StepOut:
    return StepOut.model_validate(
        {
            "id": STEP,
            "node_id": "ask",
            "iteration": [],
            "step_order": 0,
            "status": status,
            "input_data": {"prompt": "Hi"},
            "output_data": None,
            "error": None,
            "waiting_for": None,
            "tokens_used": 0,
            "cost": "0",
            "duration_ms": None,
            "attempts": 1,
            "started_at": START,
            "completed_at": START + timedelta(seconds=done_at) if done_at is not None else None,
        }
    )


def test_a_step_is_followed_from_its_start_to_its_end() -> None:
    feed = RunFeed([], NAMES)
    feed.apply(event("execution.started"))
    feed.apply(event("step.started", attempt=2))
    assert feed.statuses()["ask"]["status"] == "running"
    assert feed.rows()[0].attempts == 2
    feed.apply(
        event(
            "step.completed",
            at=2,
            output={"text": "Hello", "demo": True},
            tokens_used=12,
            cost="0.0031",
            duration_ms=2000,
        )
    )
    card = feed.statuses()["ask"]
    assert card == {
        "status": "completed",
        "label": "Completed",
        "facts": "2.0 s · 12 tokens · $0.0031",
        "text": "Hello",
        "demo": True,
    }
    assert (feed.status, feed.ended) == ("running", False)
    feed.apply(event("execution.completed", at=2))
    assert (feed.status, feed.ended) == ("completed", True)


def test_streamed_text_is_shown_until_the_answer_is_there() -> None:
    feed = RunFeed([], NAMES)
    feed.apply(event("step.started", attempt=1))
    for part in ("Hel", "lo"):
        feed.apply(event("step.token", text=part))
    assert feed.statuses()["ask"]["text"] == "Hello"
    feed.apply(event("step.completed", at=1, output={"text": "Goodbye"}))
    assert feed.statuses()["ask"]["text"] == "Goodbye"


def test_what_was_read_is_not_undone_by_an_older_event() -> None:
    feed = RunFeed([recorded("completed", done_at=5)], NAMES)
    feed.apply(event("step.started", at=0, attempt=1))
    assert feed.statuses()["ask"]["status"] == "completed"


def test_a_failed_step_shows_why() -> None:
    feed = RunFeed([recorded("running")], NAMES)
    feed.apply(event("step.failed", at=1, error={"code": "TIMEOUT", "message": "It took too long"}))
    card = feed.statuses()["ask"]
    assert (card["status"], card["text"]) == ("failed", "It took too long")


def test_of_a_node_that_ran_several_times_the_last_step_is_shown() -> None:
    feed = RunFeed([], NAMES)
    for turn in range(3):
        step = uuid4()
        feed.apply(event("step.started", at=turn, step=step, attempt=1, iteration=[turn]))
        feed.apply(event("step.completed", at=turn + 0.5, step=step, output={"text": f"Turn {turn}"}))
    assert feed.statuses()["ask"]["text"] == "Turn 2"
    assert [row.label for row in feed.rows()] == ["Ask [0]", "Ask [1]", "Ask [2]"]


def test_bars_lie_within_the_runs_time() -> None:
    feed = RunFeed([], NAMES)
    first, second = uuid4(), uuid4()
    feed.apply(event("step.started", at=0, step=first, attempt=1))
    feed.apply(event("step.completed", at=1, step=first, output=None, duration_ms=1000))
    feed.apply(event("step.started", at=1, step=second, attempt=1))
    feed.apply(event("step.completed", at=4, step=second, output=None, duration_ms=3000))
    feed.apply(event("step.skipped", at=4, step=uuid4()))
    rows = feed.rows()
    assert (rows[0].left, rows[0].width) == ("0.00%", "max(25.00%, 3px)")
    assert (rows[1].left, rows[1].width) == ("25.00%", "max(75.00%, 3px)")
    assert rows[2].status == "skipped"
