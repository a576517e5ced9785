"""A worker that dies at a numbered point: before or after a journal write, before or after an effect.

Points are numbered as they are come by, so that none is forgotten; `Life` is one run with a death at one of
them, or none. Nothing of a dead worker is left: its tasks are gone, and what it holds is a copy.
"""

import asyncio
import copy
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx

from engine import Definition, Ended, Outcome, Parked, Runner, TriggerInput
from engine.ports import Change, ExecutionEnd, Signal, StepState, WaitingFor
from engine.testing import FakeClock, MemoryJournal, memory_ports
from tests.support.counting import KEY, Sink

EXECUTION = "execution-1"
LONGEST_STEP = 60.0
"""Seconds; a sleeper with more to go is a step's timeout, and no step is that slow here."""
TURNS = 30
"""Rounds of the event loop in which whatever can go on without time passing does."""


class Points:
    """Numbers what one worker comes by, and stops it for good at the `fatal` one."""

    def __init__(self, fatal: int | None) -> None:
        self.fatal = fatal
        self.count = 0
        self.names: list[str] = []
        self.dead = asyncio.Event()

    async def come_by(self, name: str) -> None:
        if not self.dead.is_set():
            self.count += 1
            self.names.append(name)
            if self.count == self.fatal:
                self.dead.set()
        if self.dead.is_set():
            await asyncio.Event().wait()


class PointedJournal:
    """The journal as one worker has it, with a point around each call, and copies of what it gives."""

    def __init__(self, inner: MemoryJournal, points: Points) -> None:
        self._inner = inner
        self._points = points

    async def load(self) -> Sequence[StepState]:
        await self._points.come_by("before load")
        found = copy.deepcopy(await self._inner.load())
        await self._points.come_by("after load")
        return found

    async def write(self, changes: Sequence[Change]) -> None:
        await self._points.come_by("before write")
        await self._inner.write(copy.deepcopy(changes))
        await self._points.come_by("after write")

    async def park(self, changes: Sequence[Change], waiting_for: WaitingFor) -> Sequence[Signal]:
        await self._points.come_by("before park")
        found = await self._inner.park(copy.deepcopy(changes), waiting_for)
        await self._points.come_by("after park")
        return copy.deepcopy(found)

    async def finish(self, changes: Sequence[Change], end: ExecutionEnd) -> None:
        await self._points.come_by("before finish")
        await self._inner.finish(copy.deepcopy(changes), end)
        await self._points.come_by("after finish")


class PointedEgress:
    """The way out of one worker, with a point on either side of each effect."""

    def __init__(self, sink: Sink, points: Points) -> None:
        self._sink = sink
        self._points = points

    @asynccontextmanager
    async def http(self, stamp: Any = None) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(self._answer)) as client:
            yield client

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        await self._points.come_by(f"before {request.url.path}")
        status, body = self._sink.answer(request.url.path, request.headers[KEY])
        await self._points.come_by(f"after {request.url.path}")
        return httpx.Response(status, json=body)


class Life:
    """One execution from its start to its end, by as many workers as it takes."""

    def __init__(self, definition: Definition, fatal: int | None = None) -> None:
        self.definition = definition
        self.clock = FakeClock()
        self.journal = MemoryJournal(EXECUTION, clock=self.clock)
        self.sink = Sink()
        self.points = Points(fatal)
        self.died = False
        self._deaths_in: set[str] = set()

    async def run(self) -> ExecutionEnd:
        while self.journal.end is None:
            outcome = await self._worker()
            if self.points.dead.is_set():
                self.died = True
                self._deaths_in = {s.node_id for s in self.journal.steps.values() if s.status == "running"}
                self.points = Points(None)
            elif isinstance(outcome, Parked):
                self._answer(outcome)
            else:
                assert isinstance(outcome, Ended), outcome
        return self.journal.end

    @property
    def interrupted(self) -> set[str]:
        """The nodes whose steps were running when the worker died."""
        return self._deaths_in

    async def _worker(self) -> Outcome | None:
        """What one worker comes to; None where it died."""
        ports = memory_ports(self.journal, egress=PointedEgress(self.sink, self.points))
        runner = Runner(
            self.definition,
            replace(ports, journal=PointedJournal(self.journal, self.points)),
            execution_id=EXECUTION,
            trigger=TriggerInput(data={"n": 1}),
            jitter=lambda longest: longest,
        )
        task = asyncio.create_task(runner.run())
        while not task.done() and not self.points.dead.is_set():
            await self._turn()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return None if self.points.dead.is_set() else task.result()

    async def _turn(self) -> None:
        before = self.points.count
        for _ in range(TURNS):
            await asyncio.sleep(0)
        sleepers = self.clock.sleepers
        if self.points.count == before and sleepers and sleepers[0] <= LONGEST_STEP:
            self.clock.advance(sleepers[0])

    def _answer(self, outcome: Parked) -> None:
        """Time passes, the person agrees, the call comes, and what is uncertain is looked up at the sink."""
        for step in list(self.journal.steps.values()):
            if step.status == "waiting_approval":
                payload = {"kind": "approval", "decision": "approved", "data": None, "decided_by": "alice"}
                self.journal.signal(step.step_id, payload)
            elif step.status == "waiting" and step.waiting_for and step.waiting_for.kind == "webhook":
                self.journal.signal(step.step_id, {"kind": "webhook", "data": {"n": 7}})
            elif step.status == "uncertain":
                self.journal.signal(step.step_id, self._found_out(step))
        until = outcome.waiting_for.until
        if until is not None:
            self.clock.advance((until - self.clock.now()).total_seconds())

    def _found_out(self, step: StepState) -> dict[str, Any]:
        if self.sink.done[f"{EXECUTION}:{step.node_id}:-"]:
            return {"kind": "uncertain", "outcome": "done", "output": {"status": 200}}
        return {"kind": "uncertain", "outcome": "retry"}
