"""The time. Leases, timers and expiry use the database's; this one is for what is shown and signed."""

import asyncio
import time
from datetime import UTC, datetime, timedelta


def utcnow() -> datetime:
    return datetime.now(UTC)


class SystemClock:
    """The engine's clock port on the machine's clock."""

    def now(self) -> datetime:
        return utcnow()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class DatabaseClock(SystemClock):
    """The same on the database's time, from what it said a moment ago: machines may disagree by minutes."""

    def __init__(self, told: datetime) -> None:
        self._told = told
        self._since = time.monotonic()

    def now(self) -> datetime:
        return self._told + timedelta(seconds=time.monotonic() - self._since)
