"""A worker that goes on one journal write at a time, over the real claims and the real journal."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from agentflow_app.core.clock import DatabaseClock
from agentflow_app.executions import claims
from agentflow_app.executions.assignments import assignments
from agentflow_app.executions.claims import Claim
from agentflow_app.executions.journal import PostgresJournal
from engine import Outcome, Runner, TriggerInput
from engine.errors import LeaseLostError
from engine.memory import MemoryEvents, NoModels
from engine.ports import Change, ExecutionEnd, Ports, Signal, StepState, WaitingFor
from tests.engine.runner.crash_points import PointedEgress, Points
from tests.support.counting import Sink

T = TypeVar("T")
LEASE_SECONDS = 600.0
"""Leases run out when a test says so."""


class SteppedJournal:
    """Does what it is asked to only when it is let."""

    def __init__(self, inner: PostgresJournal) -> None:
        self._inner = inner
        self.allowed = asyncio.Semaphore(0)
        self.asked = asyncio.Event()
        self.writes = 0

    async def load(self) -> Sequence[StepState]:
        return await self._let(self._inner.load)

    async def write(self, changes: Sequence[Change]) -> None:
        await self._let(lambda: self._inner.write(changes))

    async def park(self, changes: Sequence[Change], waiting_for: WaitingFor) -> Sequence[Signal]:
        return await self._let(lambda: self._inner.park(changes, waiting_for))

    async def finish(self, changes: Sequence[Change], end: ExecutionEnd) -> None:
        await self._let(lambda: self._inner.finish(changes, end))

    async def _let(self, act: Callable[[], Awaitable[T]]) -> T:
        self.asked.set()
        await self.allowed.acquire()
        self.asked.clear()
        found = await act()
        self.writes += 1
        return found


class SteppedWorker:
    """One claimed run and its runner."""

    def __init__(self, claim: Claim, runner: Runner, journal: SteppedJournal) -> None:
        self._claim = claim
        self._runner = runner
        self._journal = journal
        self._task: asyncio.Task[Outcome] = asyncio.create_task(runner.run())

    @classmethod
    async def claim(cls, sink: Sink, known: set[str]) -> "list[SteppedWorker]":
        """One for each run that is due; of others the leases run out at once."""
        found = await claims.claim("stepped", 20, LEASE_SECONDS)
        assert {str(claim.id) for claim in found} <= known
        return [await cls._begin(claim, sink) for claim in found]

    @classmethod
    async def _begin(cls, claim: Claim, sink: Sink) -> "SteppedWorker":
        found = await assignments().read(claim)
        clock = DatabaseClock(claim.claimed_at)
        journal = SteppedJournal(PostgresJournal(claim))
        ports = Ports(
            journal=journal,
            events=MemoryEvents(str(claim.id), clock),
            models=NoModels(),
            egress=PointedEgress(sink, Points(None)),
            clock=clock,
        )
        runner = Runner(
            await assignments().definition(claim.org_id, found),
            ports,
            execution_id=str(claim.id),
            trigger=TriggerInput(found.triggered_by, found.trigger.get("node_id"), found.trigger.get("data")),
            variables=found.variables,
            jitter=lambda longest: 0.0,
        )
        if claim.cancel_requested:
            runner.cancel()
        return cls(claim, runner, journal)

    @property
    def run_id(self) -> str:
        return str(self._claim.id)

    @property
    def epoch(self) -> int:
        return self._claim.epoch

    @property
    def done(self) -> bool:
        return self._task.done()

    @property
    def fenced(self) -> bool:
        return self.done and isinstance(self._task.exception(), LeaseLostError)

    @property
    def writes(self) -> int:
        """How often the journal took something."""
        return self._journal.writes

    async def step(self) -> None:
        """One more journal write, and on to the next one or the end."""
        if self.done:
            return
        if not self._journal.asked.is_set():
            await self._until_it_asks()
        if self.done:
            return
        self._journal.asked.clear()
        self._journal.allowed.release()
        await self._until_it_asks()

    async def finish(self) -> None:
        """As far as it goes."""
        while not self.done:
            await self.step()
        self._raise_what_is_wrong()

    async def poll(self) -> None:
        """What the runtime does with its notices."""
        for notice in await claims.poll([self._claim.id]):
            if notice.epoch != self._claim.epoch:
                continue
            if notice.cancel_requested:
                self._runner.cancel()
            elif notice.step_id is not None and notice.signal is not None:
                self._runner.deliver([Signal(str(notice.step_id), notice.signal)])

    async def renew(self) -> bool:
        return self._claim.id in await claims.renew([self._claim], LEASE_SECONDS)

    async def hand_back(self) -> None:
        await self.crash()
        await claims.release(self._claim)

    async def crash(self) -> None:
        """Nothing of it is left."""
        if not self.done:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        elif not self._task.cancelled():
            self._raise_what_is_wrong()

    async def _until_it_asks(self) -> None:
        asked: asyncio.Task[Any] = asyncio.create_task(self._journal.asked.wait())
        await asyncio.wait({self._task, asked}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        asked.cancel()

    def _raise_what_is_wrong(self) -> None:
        error = self._task.exception()
        if error is not None and not isinstance(error, LeaseLostError):
            raise error
