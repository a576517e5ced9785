"""Jobs by name, sent once the transaction that asked for them is committed.

A job is a wake-up that carries an id. What it is about is in Postgres, where the reconciler finds it when
the message is lost, so a Redis that is away costs time and nothing else.
"""

import asyncio
import logging
from functools import lru_cache
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import ConnectionClosed
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout
from redis.retry import Retry

from agentflow_app.core.database import Transaction
from agentflow_app.core.settings import settings

logger = logging.getLogger(__name__)
QUEUE = "agentflow"


class Consumer(_RedisConsumer):
    """Takes a Redis that does not answer for one that is away; Dramatiq's own calls that a crash."""

    def __next__(self) -> Any:
        try:
            return super().__next__()  # type: ignore[no-untyped-call]
        except RedisTimeout as error:
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]


class Broker(RedisBroker):
    @property
    def consumer_class(self) -> type[Consumer]:
        return Consumer


@lru_cache(maxsize=1)
def broker() -> RedisBroker:
    """The process' broker. No retries of its own: leases and the reconciler repeat what must be repeated."""
    client = Redis.from_url(
        settings().redis_url, socket_connect_timeout=2, socket_timeout=2, retry=Retry(NoBackoff(), 1)
    )
    made: RedisBroker = Broker(  # type: ignore[no-untyped-call]
        client=client,
        middleware=[],
        namespace="agentflow:jobs",
        heartbeat_timeout=30_000,
        maintenance_chance=100_000,
    )
    made.declare_queue(QUEUE)
    return made


def _send(name: str, args: tuple[Any, ...]) -> None:
    message: dramatiq.Message[Any] = dramatiq.Message(
        queue_name=QUEUE, actor_name=name, args=args, kwargs={}, options={}
    )
    broker().enqueue(message)


async def send(name: str, *args: str) -> None:
    """Sends at once. A Redis that does not answer is logged, not raised: the reconciler sends again."""
    try:
        await asyncio.to_thread(_send, name, args)
    except (RedisError, dramatiq.BrokerError) as error:
        logger.warning("Job not sent; the reconciler will", extra={"job": name, "error": str(error)})


def enqueue(tx: Transaction, name: str, *args: str) -> None:
    """Sends the job `name` after `tx` commits."""
    tx.after_commit(lambda: send(name, *args))
