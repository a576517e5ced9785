"""What an execution as a whole waits for, when several of its steps wait."""

from collections.abc import Sequence
from datetime import datetime

from engine.events import STATE_KEY
from engine.ports import WaitingFor
from engine.step import Step

# The first of these that some step waits for is what people are told.
_RANK = ("uncertain", "budget", "approval", "input", "webhook", "child", "timer")

IDLE_SECONDS = 5.0
"""A worker with nothing else to do waits so long for a timer; for longer ones the execution is parked."""


def rings_soon(steps: Sequence[Step], now: datetime) -> bool:
    """Whether one of them goes on by itself so soon that parking is not worth it."""
    dues = [step.due for step in steps if step.due is not None]
    return bool(dues) and (min(dues) - now).total_seconds() <= IDLE_SECONDS


def overall_wait(steps: Sequence[Step]) -> WaitingFor:
    """What people are told; `until` is when the first of the waits ends, whichever step it belongs to."""
    waits = [(_waiting_for(step), step) for step in steps]
    shown, _ = min(waits, key=lambda wait: _RANK.index(wait[0].kind))
    untils = [step.until for step in steps if step.until is not None]
    details = {key: value for key, value in shown.details.items() if key != STATE_KEY}
    return WaitingFor(shown.kind, min(untils, default=None), details)


def _waiting_for(step: Step) -> WaitingFor:
    if step.waiting_for is not None:
        return step.waiting_for
    return WaitingFor("timer", step.retry_at, {"step_id": step.id, "node_id": step.node.id})
