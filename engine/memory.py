"""The ports in memory: what `engine.run` uses, and users' tests and ours."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from engine.errors import EgressRefusedError, NoAgentsError, UnknownModelError
from engine.events import (
    Event,
    Totals,
    ended_event,
    event_for,
    resumed_event,
    started_event,
    token_event,
    waiting_event,
)
from engine.ports import (
    AgentCall,
    CalledRun,
    Change,
    Clock,
    ExecutionEnd,
    Iteration,
    LogEntry,
    ResolvedModel,
    Signal,
    StepChange,
    StepState,
    WaitingFor,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator

    import httpx

    from engine.ports import Stamp

OnEvent = Callable[[Event], None]
OPEN_WAITS = ("waiting", "waiting_approval", "uncertain")


class SystemClock:
    """The real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class MemoryJournal:
    """One execution's record, and the judge of what resolved a wait first. Events get their `seq` here."""

    def __init__(
        self, execution_id: str = "execution", *, clock: Clock | None = None, on_event: OnEvent | None = None
    ) -> None:
        self.execution_id = execution_id
        self.clock = clock or SystemClock()
        self.on_event = on_event
        self.events: list[Event] = []
        self._steps: dict[str, StepState] = {}
        self._changed: dict[str, StepChange] = {}
        self.logs: list[LogEntry] = []
        self.waiting_for: WaitingFor | None = None
        self.end: ExecutionEnd | None = None
        self._began: datetime | None = None

    @property
    def steps(self) -> dict[str, StepState]:
        """By id. Only who looks pays for turning changes into states."""
        if self._changed:
            self._steps.update((step_id, _state(change)) for step_id, change in self._changed.items())
            self._changed.clear()
        return self._steps

    async def load(self) -> Sequence[StepState]:
        now = self.clock.now()
        if self._began is None:
            self._began = now
            self._emit(started_event(self.execution_id, now))
        elif self.waiting_for is not None:
            self.waiting_for = None
            self._expire()
            self._emit(resumed_event(self.execution_id, now))
        return list(self.steps.values())

    async def write(self, changes: Sequence[Change]) -> None:
        self._check_open()
        for change in changes:
            self._apply(change)

    async def park(self, changes: Sequence[Change], waiting_for: WaitingFor) -> Sequence[Signal]:
        await self.write(changes)
        self._expire()
        signals = [
            Signal(state.step_id, state.signal)
            for state in self.steps.values()
            if state.status in OPEN_WAITS and state.signal is not None
        ]
        if not signals:
            self.waiting_for = waiting_for
            self._emit(waiting_event(self.execution_id, self.clock.now(), waiting_for))
        return signals

    async def finish(self, changes: Sequence[Change], end: ExecutionEnd) -> None:
        await self.write(changes)
        self.end = end
        self._emit(ended_event(self.execution_id, end, self.totals()))

    def signal(self, step_id: str, payload: Mapping[str, Any]) -> bool:
        """Resolves a waiting step from outside; False where something else did so before."""
        self._expire()
        state = self.steps.get(step_id)
        if state is None or state.status not in OPEN_WAITS or state.signal is not None:
            return False
        self.steps[step_id] = replace(state, signal=payload)
        return True

    def totals(self) -> Totals:
        usages = [state.usage for state in self.steps.values() if state.usage is not None]
        began = self._began or self.clock.now()
        ended = self.end.at if self.end is not None else self.clock.now()
        return Totals(
            tokens=sum(usage.tokens for usage in usages),
            cost=sum((usage.cost for usage in usages), Decimal(0)),
            duration_ms=round((ended - began).total_seconds() * 1000),
        )

    def _expire(self) -> None:
        now = self.clock.now()
        for step_id, state in self.steps.items():
            until = state.waiting_for.until if state.waiting_for is not None else None
            if state.status in OPEN_WAITS and state.signal is None and until is not None and until <= now:
                self.steps[step_id] = replace(state, signal={"kind": "timer"})

    def _apply(self, change: Change) -> None:
        if isinstance(change, LogEntry):
            self.logs.append(change)
        else:
            known = self._changed.get(change.step_id) or self._steps.get(change.step_id)
            if known is not None and known.status == "completed":
                raise AssertionError(f"{change.node_id} has completed and cannot become {change.status}")
            self._changed[change.step_id] = change
        event = event_for(self.execution_id, change)
        if event is not None:
            self._emit(event)

    def _check_open(self) -> None:
        if self.end is not None:
            raise AssertionError("the execution has ended")

    def _emit(self, event: Event) -> None:
        numbered = {"seq": len(self.events) + 1, **event}
        self.events.append(numbered)
        if self.on_event is not None:
            self.on_event(numbered)


def _state(change: StepChange) -> StepState:
    return StepState(
        step_id=change.step_id,
        node_id=change.node_id,
        iteration=change.iteration,
        order=change.order,
        status=change.status,
        attempt=change.attempt,
        input=change.input,
        output=change.output,
        handle=change.handle,
        error=change.error,
        waiting_for=change.waiting_for,
        retry_at=change.retry_at,
        usage=change.usage,
        started_at=change.started_at,
    )


class MemoryEvents:
    """Streamed tokens, handed on as events."""

    def __init__(self, execution_id: str, clock: Clock, on_event: OnEvent | None = None) -> None:
        self._execution_id = execution_id
        self._clock = clock
        self._on_event = on_event

    async def token(self, step_id: str, node_id: str, iteration: Iteration, text: str) -> None:
        if self._on_event is not None:
            at = self._clock.now()
            self._on_event(token_event(self._execution_id, step_id, node_id, iteration, text, at))


class NoModels:
    """Where no models are configured: every name is unknown."""

    def resolve(self, name: str) -> ResolvedModel:
        raise UnknownModelError(f"No model {name!r}: no models are configured")

    def known(self, name: str) -> bool:
        return False

    async def aclose(self) -> None:
        return None


class NoEgress:
    """Where nothing may go out."""

    @asynccontextmanager
    async def http(self, stamp: "Stamp | None" = None) -> "AsyncIterator[httpx.AsyncClient]":
        raise EgressRefusedError("Outgoing requests are off here")
        yield  # pragma: no cover

    async def tcp(self, host: str, port: int) -> "socket.socket":
        raise EgressRefusedError("Outgoing connections are off here")


class NoAgents:
    """Where a run stands alone."""

    async def start(self, call: AgentCall) -> CalledRun:
        raise NoAgentsError(
            "A run outside a server has no other agents to call; import the agents there, and run it there"
        )

    async def cancel(self, execution_id: str) -> None:
        return None
