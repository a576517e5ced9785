"""Gathers changes and hands them to the journal in groups, in order."""

from collections.abc import Sequence

from engine.ports import Change, ExecutionEnd, Journal, Signal, WaitingFor

LARGEST_GROUP = 100


class Writer:
    """Only the runner's own coroutine writes, one write after the other, in the order of the calls."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: list[Change] = []

    @property
    def pending(self) -> bool:
        return bool(self._waiting)

    @property
    def full(self) -> bool:
        return len(self._waiting) >= LARGEST_GROUP

    def add(self, change: Change) -> None:
        self._waiting.append(change)

    async def flush(self) -> None:
        """Returns when everything added so far is durable."""
        while self._waiting:
            await self._journal.write(self._take())

    async def park(self, waiting_for: WaitingFor) -> Sequence[Signal]:
        return await self._journal.park(self._take(), waiting_for)

    async def finish(self, end: ExecutionEnd) -> None:
        await self._journal.finish(self._take(), end)

    def _take(self) -> list[Change]:
        taken, self._waiting = self._waiting, []
        return taken
