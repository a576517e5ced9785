"""Turns at something scarce, fair between those who want it."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """At most `places` at the same time. Whoever has the fewest is next; of several, who waited longest.

    Belongs to one event loop.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def turn(self, owner: str) -> AsyncIterator[None]:
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(given)
        self._serve()
        try:
            await given
            yield
        finally:
            if given.done() and not given.cancelled():
                self._held[owner] -= 1
                self._free += 1
            else:
                given.cancel()
            self._serve()

    def _serve(self) -> None:
        while self._free and (owner := self._next()) is not None:
            queue = self._waiting.pop(owner)
            given = queue.popleft()
            if queue:
                self._waiting[owner] = queue  # behind the others
            if not given.done():
                self._free -= 1
                self._held[owner] += 1
                given.set_result(None)

    def _next(self) -> str | None:
        return min(self._waiting, key=lambda owner: self._held[owner], default=None)
