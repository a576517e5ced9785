"""The one Redis client of a process. Redis carries notices and wake-ups; losing it loses nothing."""

from functools import lru_cache

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from agentflow_app.core.settings import settings


@lru_cache(maxsize=1)
def redis_client() -> Redis:
    return Redis.from_url(
        settings().redis_url,
        socket_connect_timeout=2,
        socket_timeout=5,
        retry=Retry(NoBackoff(), 1),
        health_check_interval=30,
    )


async def close_redis() -> None:
    if redis_client.cache_info().currsize:
        await redis_client().aclose()
        redis_client.cache_clear()
