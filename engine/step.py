"""One step as the runner holds it, and its way to and from the journal."""

import os
import time
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.context import add_usage
from engine.definition import Node
from engine.events import STATE_KEY
from engine.nodes.base import NodeKind
from engine.ports import Iteration, StepChange, StepState, StepStatus, Usage, WaitingFor

OPEN: frozenset[StepStatus] = frozenset(
    {"pending", "running", "retrying", "waiting", "waiting_approval", "uncertain"}
)
WAITING: frozenset[StepStatus] = frozenset({"waiting", "waiting_approval", "uncertain"})


class Step:
    """Mutable; `change` is its state as a whole, which is what the journal is told."""

    __slots__ = (
        "at",
        "attempt",
        "completed_at",
        "error",
        "handle",
        "id",
        "input",
        "iteration",
        "kind",
        "node",
        "order",
        "output",
        "retry_at",
        "signal",
        "started_at",
        "status",
        "usage",
        "waiting_for",
    )

    def __init__(self, node: Node, kind: NodeKind[Any] | None, iteration: Iteration, order: int) -> None:
        self.id = _new_id()
        self.node = node
        self.kind = kind
        self.iteration = iteration
        self.order = order
        self.at: datetime | None = None
        """When it last changed."""
        self.status: StepStatus = "pending"
        self.attempt = 0
        self.input: Any = None
        self.output: Any = None
        self.handle: str | None = None
        self.error: Mapping[str, Any] | None = None
        self.waiting_for: WaitingFor | None = None
        self.retry_at: datetime | None = None
        self.signal: Mapping[str, Any] | None = None
        self.usage: Usage | None = None
        self.started_at: datetime | None = None
        self.completed_at: datetime | None = None

    @classmethod
    def restored(cls, node: Node, kind: NodeKind[Any] | None, state: StepState) -> "Step":
        step = cls(node, kind, state.iteration, state.order)
        step.id = state.step_id
        step.status = state.status
        step.attempt = cls.attempts_of(state)
        step.input = state.input
        step.output = state.output
        step.handle = state.handle
        step.error = state.error
        step.waiting_for = state.waiting_for
        step.retry_at = state.retry_at
        step.signal = state.signal
        step.usage = state.usage
        step.started_at = state.started_at
        return step

    @staticmethod
    def attempts_of(state: StepState) -> int:
        """How often it was begun so far."""
        return 0 if state.status in ("pending", "skipped") else state.attempt

    @property
    def ended(self) -> bool:
        """Whether it ended in a way that the flow goes on from; it is never run again."""
        return self.status == "completed" or (self.status == "failed" and self.handle is not None)

    @property
    def resuming(self) -> bool:
        """Whether it goes on where it stands: what it waited for has come, or its rounds have begun."""
        if self.status == "running":
            return self.repeats
        return self.signal is not None and self.status in WAITING

    @property
    def repeats(self) -> bool:
        return self.kind is not None and self.kind.repeats

    @property
    def goes_on(self) -> str:
        """The handle that stands for `out`."""
        return self.kind.goes_on if self.kind is not None else "out"

    @property
    def ways(self) -> tuple[str, ...]:
        """The handles whose edges are live after it."""
        if self.handle is None:
            return ()
        return ("out", self.goes_on) if self.handle == "out" else (self.handle,)

    @property
    def must_not_repeat(self) -> bool:
        """Whether it is left to a person when nobody knows if its effect has happened."""
        return self.node.repeat == "never" and self.kind is not None and self.kind.side_effect

    @property
    def cost(self) -> Decimal:
        return self.usage.cost if self.usage else Decimal(0)

    @property
    def parked_state(self) -> Any:
        """What the kind handed over when it parked."""
        return self.waiting_for.details.get(STATE_KEY) if self.waiting_for else None

    @property
    def due(self) -> datetime | None:
        """When it goes on by itself, without anyone else having a say in it."""
        if self.status == "retrying":
            return self.retry_at
        if self.status == "waiting" and self.waiting_for is not None and self.waiting_for.kind == "timer":
            return self.waiting_for.until
        return None

    @property
    def until(self) -> datetime | None:
        """When its wait ends at the latest."""
        if self.status == "retrying":
            return self.retry_at
        return self.waiting_for.until if self.waiting_for is not None else None

    def begin(self, at: datetime) -> None:
        self.at = at
        self.attempt += 1
        self.status = "running"
        self.started_at = self.started_at or at
        self.output = self.handle = self.error = self.waiting_for = self.retry_at = self.signal = None
        self.completed_at = None

    def not_begun(self) -> None:
        """It stays as it is after all, and the attempt does not count."""
        self.attempt -= 1

    def wait_over(self) -> None:
        """It may begin again."""
        self.status, self.signal, self.waiting_for, self.retry_at = "pending", None, None, None

    def complete(self, output: Any, handle: str, at: datetime) -> None:
        self.status, self.output, self.handle = "completed", output, handle
        self.at = self.completed_at = at
        self.error = self.waiting_for = self.retry_at = self.signal = None

    def fail(self, error: Mapping[str, Any], at: datetime, *, output: Any, handle: str | None) -> None:
        self.status, self.error = "failed", error
        self.at = self.completed_at = at
        self.output, self.handle = output, handle
        self.waiting_for = self.retry_at = self.signal = None

    def try_again(self, error: Mapping[str, Any], at: datetime, retry_at: datetime) -> None:
        self.status, self.error, self.at, self.retry_at = "retrying", error, at, retry_at

    def park(
        self, status: StepStatus, waiting_for: WaitingFor, at: datetime, error: Mapping[str, Any] | None
    ) -> None:
        self.status, self.waiting_for, self.error, self.signal = status, waiting_for, error, None
        self.at = at

    def skip(self, at: datetime, *, output: Any = None, handle: str | None = None) -> None:
        self.status, self.output, self.handle = "skipped", output, handle
        self.at = self.completed_at = at

    def cancel(self, at: datetime) -> None:
        self.status, self.at, self.completed_at = "cancelled", at, at
        self.waiting_for = self.retry_at = self.signal = None

    def add_usage(self, usage: Usage | None) -> None:
        """Attempts add up: a failed one was paid for too."""
        self.usage = add_usage(self.usage, usage)

    def change(self) -> StepChange:
        """What the journal is told after a change."""
        assert self.at is not None
        duration = None
        if self.completed_at is not None and self.started_at is not None:
            duration = round((self.completed_at - self.started_at).total_seconds() * 1000)
        return StepChange(
            step_id=self.id,
            node_id=self.node.id,
            iteration=self.iteration,
            order=self.order,
            status=self.status,
            at=self.at,
            attempt=self.attempt,
            input=self.input,
            output=self.output,
            handle=self.handle,
            error=self.error,
            waiting_for=self.waiting_for,
            retry_at=self.retry_at,
            usage=self.usage,
            duration_ms=duration,
            started_at=self.started_at,
            completed_at=self.completed_at,
        )


def _new_id() -> str:
    """A UUIDv7. Only its text is needed, and made directly it costs a quarter."""
    value = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76 | 0x3 << 62) | 0x7 << 76 | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
