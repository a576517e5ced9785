"""Timers by name, on the host's clock."""

import asyncio
from collections.abc import Callable

from engine.ports import Clock


class Alarms:
    """Each rings once; a name that is set already keeps its time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._set: dict[str, asyncio.Future[None]] = {}

    def set(self, name: str, seconds: float, ring: Callable[[], None]) -> None:
        if name in self._set:
            return

        async def wait() -> None:
            await self._clock.sleep(max(0.0, seconds))
            self._set.pop(name, None)
            ring()

        self._set[name] = asyncio.ensure_future(wait())

    def stop(self) -> None:
        for alarm in self._set.values():
            alarm.cancel()
        self._set.clear()
