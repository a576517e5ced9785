"""How often one may call: sliding windows in Redis, and what remains is in the answer's headers.

Without Redis, signing in is refused (guessing passwords must stay slow), and everything else is counted in
this process alone.
"""

import hashlib
import logging
import math
import time
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from limits import RateLimitItem
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import RateLimiter, SlidingWindowCounterRateLimiter
from redis.exceptions import RedisError

from agentflow_app.core.errors import TooManyRequests, Unavailable
from agentflow_app.core.redis import redis_client
from agentflow_app.core.settings import OFF, limit_of, settings

logger = logging.getLogger(__name__)
REDIS_PAUSE_SECONDS = 1.0
"""How long Redis is left alone after it did not answer, so that not every call waits for it."""
MAX_BLOCKED = 10_000
PREFIX = "agentflow:limits"
TRIALS = "20/minute"
"""Enough for people who click, and no way to send requests by the server."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One limit as a caller sees it. `reset` is in seconds since 1970."""

    limit: int
    remaining: int
    reset: int
    allowed: bool = True

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (b"x-ratelimit-limit", b"%d" % self.limit),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-reset", b"%d" % self.reset),
        ]

    @property
    def retry_after(self) -> int:
        return max(1, self.reset - math.floor(time.time()))


standing: ContextVar[Standing | None] = ContextVar("standing", default=None)
"""The tightest limit that this request was counted under."""


class RateLimits:
    """The limits of one process, as the settings give them."""

    def __init__(self) -> None:
        # The address is only for its scheme: what connects is the pool, typed too narrowly by the library.
        pool: Any = redis_client().connection_pool
        storage = RedisStorage("redis://", implementation="redispy", key_prefix=PREFIX, connection_pool=pool)
        self._shared = SlidingWindowCounterRateLimiter(storage)
        self._local = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._away_until = 0.0
        self._blocked: dict[str, Standing] = {}

    async def organization(self, org_id: object, key_id: object | None) -> None:
        """Counts a call of an organization, and of its key. Raises TooManyRequests."""
        found = await self._count(limit_of(settings().rate_limit_org), "org", str(org_id))
        if key_id is not None:
            by_key = await self._count(limit_of(settings().rate_limit_key), "key", str(key_id))
            found = _tighter(found, by_key)
        _enforce(found, "Too many calls; try again when the limit resets")

    async def executions(self, org_id: object, plan: str) -> None:
        """Counts a started execution against what the plan allows. Raises TooManyRequests."""
        allowed = limit_of(settings().rate_limit_plans.get(plan, OFF))
        found = await self._count(allowed, "executions", str(org_id))
        if found and not found.allowed:
            raise TooManyRequests(
                f"The plan {plan} allows {found.limit} executions; upgrade it or wait for the limit to reset",
                retry_after=found.retry_after,
            )

    async def trials(self, org_id: object) -> None:
        """Counts a request that an organization sends to try something. Raises TooManyRequests."""
        found = await self._count(limit_of(TRIALS), "trials", str(org_id))
        _enforce(found, "Too many tests in a minute; wait a moment before the next one")

    async def sign_in(self, kind: str, who: str) -> None:
        """Counts an attempt to prove who one is, `who` being an address or an account.

        Raises TooManyRequests, and Unavailable where nothing can be counted.
        """
        limit = limit_of(settings().rate_limit_auth)
        if limit is None:
            return
        name = hashlib.sha256(who.encode()).hexdigest()
        found = await self._in_redis(limit, "auth", kind, name)
        if found is None:
            raise Unavailable(
                "Signing in is not possible at the moment; try again in a little while", retry_after=5
            )
        _enforce(found, "Too many attempts; wait a moment before the next one")

    def ensure_not_blocked(self, address: str) -> None:
        """Refuses an address that called too often without saying who it is. Raises TooManyRequests."""
        found = self._blocked.get(address)
        if found is None:
            return
        if found.reset <= time.time():
            del self._blocked[address]
            return
        _enforce(found, "Too many calls without valid credentials; try again when the limit resets")

    async def stranger(self, address: str) -> Standing | None:
        """Counts an answer to somebody unknown; too many block the address until the window has moved on."""
        found = await self._count(limit_of(settings().rate_limit_address), "address", address)
        if found and not found.allowed:
            if len(self._blocked) >= MAX_BLOCKED:
                self._blocked.clear()
            self._blocked[address] = found
        return found

    async def _count(self, limit: RateLimitItem | None, *identifiers: str) -> Standing | None:
        if limit is None:
            return None
        return await self._in_redis(limit, *identifiers) or await _hit(self._local, limit, *identifiers)

    async def _in_redis(self, limit: RateLimitItem, *identifiers: str) -> Standing | None:
        """None while Redis is away."""
        if time.monotonic() < self._away_until:
            return None
        try:
            return await _hit(self._shared, limit, *identifiers)
        except (RedisError, OSError) as error:
            logger.warning("Rate limits are counted in this process alone", extra={"error": str(error)})
            self._away_until = time.monotonic() + REDIS_PAUSE_SECONDS
            return None


async def _hit(limiter: RateLimiter, limit: RateLimitItem, *identifiers: str) -> Standing:
    allowed = await limiter.hit(limit, *identifiers)
    window = await limiter.get_window_stats(limit, *identifiers)
    return Standing(limit.amount, window.remaining if allowed else 0, math.ceil(window.reset_time), allowed)


def _tighter(one: Standing | None, other: Standing | None) -> Standing | None:
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda each: (each.allowed, each.remaining))


def _enforce(found: Standing | None, message: str) -> None:
    if found is None:
        return
    standing.set(found)
    if not found.allowed:
        raise TooManyRequests(message, retry_after=found.retry_after)


@lru_cache(maxsize=1)
def rate_limits() -> RateLimits:
    return RateLimits()
