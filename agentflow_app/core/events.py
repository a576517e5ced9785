"""Live notices over Redis: published after the commit, fanned out to the subscribers of this process.

Delivery is best effort. Whoever must not miss anything reads Postgres first and whenever a notice is late.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from agentflow_app.core.redis import redis_client
from agentflow_app.core.serialization import dumps, loads

logger = logging.getLogger(__name__)
BUFFER = 1000
RECONNECT_SECONDS = 1.0


def execution_channel(execution_id: object) -> str:
    return f"agentflow:execution:{execution_id}"


def organization_channel(org_id: object) -> str:
    return f"agentflow:organization:{org_id}"


async def publish(notices: list[tuple[str, Any]]) -> None:
    """Sends (channel, JSON) pairs in one round trip; a Redis that is away is only logged."""
    if not notices:
        return
    try:
        async with redis_client().pipeline(transaction=False) as pipe:
            for channel, body in notices:
                pipe.publish(channel, dumps(body))
            await pipe.execute()
    except (RedisError, OSError) as error:
        logger.debug("Notices not published", extra={"error": str(error)})


class Notices:
    """Sends in the order of the posts, in the background, what has gathered meanwhile in one round trip."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, Any]] = []
        self._sender: asyncio.Task[None] | None = None

    def post(self, some: list[tuple[str, Any]]) -> None:
        self._waiting += some
        if self._sender is None:
            self._sender = asyncio.create_task(self._send(), name="notices")

    async def _send(self) -> None:
        try:
            while self._waiting:
                some, self._waiting = self._waiting, []
                await publish(some)
        finally:
            self._sender = None


@lru_cache(maxsize=1)
def notices() -> Notices:
    return Notices()


class Subscription:
    """A bounded mailbox. When its reader is too slow it is emptied and `lagged` is set."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue(BUFFER)
        self.lagged = False

    def put(self, body: Any) -> None:
        if self._queue.full():
            self.lagged = True
            while not self._queue.empty():
                self._queue.get_nowait()
        self._queue.put_nowait(body)

    async def get(self, timeout: float) -> Any | None:  # noqa: ASYNC109  # a pause, not a cancellation scope
        """The next notice, None if there is none for `timeout` seconds."""
        try:
            return await asyncio.wait_for(self._queue.get(), timeout)
        except TimeoutError:
            return None


class EventHub:
    """One Redis subscription connection for all subscribers of a process."""

    def __init__(self) -> None:
        self._subscribers: dict[str, set[Subscription]] = defaultdict(set)
        self._pubsub: PubSub | None = None
        self._reader: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncIterator[Subscription]:
        subscription = Subscription()
        async with self._lock:
            self._subscribers[channel].add(subscription)
            if self._reader is None:
                self._reader = asyncio.create_task(self._read(), name="event-hub")
            elif len(self._subscribers[channel]) == 1:
                await self._tell("subscribe", channel)
        try:
            yield subscription
        finally:
            async with self._lock:
                self._subscribers[channel].discard(subscription)
                if not self._subscribers[channel]:
                    del self._subscribers[channel]
                    await self._tell("unsubscribe", channel)

    async def _tell(self, verb: str, channel: str) -> None:
        if self._pubsub is None:
            return  # not connected: the reader subscribes to all when it is
        try:
            await getattr(self._pubsub, verb)(channel)
        except (RedisError, OSError):
            logger.debug("Event hub: %s failed; reconnecting", verb)

    async def _read(self) -> None:
        while True:
            try:
                async with redis_client().pubsub(ignore_subscribe_messages=True) as pubsub:
                    async with self._lock:
                        # A channel of its own keeps the connection subscribed when nobody listens.
                        await pubsub.subscribe("agentflow:hub", *self._subscribers)
                        self._pubsub = pubsub
                    while True:
                        message = await pubsub.get_message(timeout=None)
                        if message is not None:
                            self._deliver(message["channel"].decode(), message["data"])
            except (RedisError, OSError) as error:
                logger.debug("Event hub: reconnecting", extra={"error": str(error)})
            except Exception:
                logger.exception("Event hub: an unreadable notice")
            finally:
                self._pubsub = None
            await asyncio.sleep(RECONNECT_SECONDS)

    def _deliver(self, channel: str, data: bytes) -> None:
        body = loads(data)
        for subscription in self._subscribers.get(channel, ()):
            subscription.put(body)

    async def close(self) -> None:
        if self._reader:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
            self._reader = None


@lru_cache(maxsize=1)
def event_hub() -> EventHub:
    return EventHub()


async def close_event_hub() -> None:
    if event_hub.cache_info().currsize:
        await event_hub().close()
        event_hub.cache_clear()
