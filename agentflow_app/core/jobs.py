"""Jobs by name, sent once the transaction that asked for them is committed.

A job is a wake-up that carries an id. What it is about is in Postgres, where the reconciler finds it when
the message is lost, so a Redis that is away costs time and nothing else. Whoever sends one rings a bell that
idle workers wait at: nobody looks at an empty queue.
"""

import asyncio
import hashlib
import logging
from functools import lru_cache
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import ConnectionClosed
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as RedisTimeout
from redis.retry import Retry

from agentflow_app.core.database import Transaction
from agentflow_app.core.redis import redis_client
from agentflow_app.core.settings import settings

logger = logging.getLogger(__name__)
QUEUE = "agentflow"
HINTS = "hints"
"""The queue of jobs that only say that there is something to do, whatever it is."""
NAMESPACE = "agentflow:jobs"
BELL_SECONDS = 1
MOST_RINGS = 32

# What waits unread says it already: a hint is added to an empty queue only.
_HINT = """
if redis.call('llen', KEYS[1]) == 0 then
    redis.call('hset', KEYS[1] .. '.msgs', ARGV[1], ARGV[2])
    redis.call('rpush', KEYS[1], ARGV[1])
    redis.call('lpush', KEYS[1] .. '.bell', 1)
    redis.call('ltrim', KEYS[1] .. '.bell', 0, ARGV[3])
end
"""

_HINT_HASH = hashlib.sha1(_HINT.encode(), usedforsecurity=False).hexdigest()


class Consumer(_RedisConsumer):
    """Waits at the queue's bell while the queue is empty.

    Takes a Redis that does not answer for one that is away; Dramatiq's own calls that a crash.
    """

    def __next__(self) -> Any:
        try:
            if not self.message_cache and self.outstanding_message_count < self.prefetch:
                wanted = self.prefetch - self.outstanding_message_count
                self.message_cache = self.broker.do_fetch(self.queue_name, wanted)
                if not self.message_cache:
                    self.broker.client.blpop(f"{NAMESPACE}:{self.queue_name}.bell", timeout=BELL_SECONDS)
                    return None
            return super().__next__()  # type: ignore[no-untyped-call]
        except (RedisTimeout, RedisAway) as error:
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]


class Broker(RedisBroker):
    @property
    def consumer_class(self) -> type[Consumer]:
        return Consumer


@lru_cache(maxsize=1)
def broker() -> RedisBroker:
    """The process' broker. No retries of its own: leases and the reconciler repeat what must be repeated."""
    client = Redis.from_url(
        settings().redis_url,
        socket_connect_timeout=2,
        socket_timeout=BELL_SECONDS + 1,
        retry=Retry(NoBackoff(), 1),
    )
    made: RedisBroker = Broker(  # type: ignore[no-untyped-call]
        client=client,
        middleware=[],
        namespace=NAMESPACE,
        heartbeat_timeout=30_000,
        maintenance_chance=100_000,
    )
    made.declare_queue(QUEUE)
    made.declare_queue(HINTS)
    return made


def _send(name: str, args: tuple[Any, ...]) -> None:
    message: dramatiq.Message[Any] = dramatiq.Message(
        queue_name=QUEUE, actor_name=name, args=args, kwargs={}, options={}
    )
    broker().enqueue(message)
    bell = f"{NAMESPACE}:{QUEUE}.bell"
    with broker().client.pipeline(transaction=False) as pipe:
        pipe.lpush(bell, 1)
        pipe.ltrim(bell, 0, MOST_RINGS)
        pipe.execute()


async def send(name: str, *args: str) -> None:
    """Sends at once. A Redis that does not answer is logged, not raised: the reconciler sends again."""
    try:
        await asyncio.to_thread(_send, name, args)
    except (RedisError, dramatiq.BrokerError) as error:
        logger.warning("Job not sent; the reconciler will", extra={"job": name, "error": str(error)})


def enqueue(tx: Transaction, name: str, *args: str) -> None:
    """Sends the job `name` after `tx` commits."""
    tx.after_commit(lambda: send(name, *args))


class Hints:
    """Jobs without an argument, of which one that waits is as good as a thousand."""

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._sender: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        return self._sender is not None

    def give(self, name: str) -> None:
        """In the background. What asks while it is under way is one more hint."""
        self._asked.add(name)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send(), name="hints")

    async def _send(self) -> None:
        try:
            while self._asked:
                await self._hint(self._asked.pop())
        except (RedisError, OSError) as error:
            logger.warning("Hint not sent; the reconciler will", extra={"error": str(error)})
        finally:
            self._sender = None

    async def _hint(self, name: str) -> None:
        message: dramatiq.Message[Any] = dramatiq.Message(
            queue_name=HINTS, actor_name=name, args=(), kwargs={}, options={}
        )
        message = message.copy(options={"redis_message_id": message.message_id})
        queue = f"{NAMESPACE}:{HINTS}"
        redis: Any = redis_client()  # whose types leave open whether it is the asynchronous one
        given = message.message_id, message.encode(), MOST_RINGS
        try:
            await redis.evalsha(_HINT_HASH, 1, queue, *given)
        except NoScriptError:
            await redis.eval(_HINT, 1, queue, *given)


@lru_cache(maxsize=1)
def hints() -> Hints:
    return Hints()
