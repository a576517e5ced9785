"""Hints: one that waits is as good as a thousand, and whoever waits at the bell hears it."""

import asyncio

from agentflow_app.core.jobs import HINTS, NAMESPACE, broker, hints
from agentflow_app.core.redis import redis_client

QUEUE = f"{NAMESPACE}:{HINTS}"


async def test_hints_that_nobody_has_taken_are_one(api: object) -> None:
    await redis_client().delete(QUEUE, f"{QUEUE}.msgs", f"{QUEUE}.bell")
    for _ in range(5):
        hints().give("execution.run")
        while hints().busy:
            await asyncio.sleep(0)
    assert await redis_client().llen(QUEUE) == 1
    assert await redis_client().hlen(f"{QUEUE}.msgs") == 1
    consumer = broker().consume(HINTS, prefetch=1)
    message = await asyncio.to_thread(next, consumer)
    assert (message.actor_name, message.args) == ("execution.run", ())
    hints().give("execution.run")
    while hints().busy:
        await asyncio.sleep(0)
    assert await redis_client().llen(QUEUE) == 1, "what was taken may be over: it is hinted again"
    await asyncio.to_thread(consumer.ack, message)
    await asyncio.to_thread(consumer.ack, await asyncio.to_thread(next, broker().consume(HINTS)))


async def test_an_idle_consumer_waits_at_the_bell(api: object) -> None:
    await redis_client().delete(QUEUE, f"{QUEUE}.msgs", f"{QUEUE}.bell")
    consumer = broker().consume(HINTS, prefetch=1)
    waiting = asyncio.create_task(asyncio.to_thread(next, consumer))
    while not await _blocked():
        await asyncio.sleep(0)
    hints().give("execution.run")
    assert await waiting is None, "woken; the next look finds it"
    message = await asyncio.to_thread(next, consumer)
    assert message.actor_name == "execution.run"
    await asyncio.to_thread(consumer.ack, message)


async def _blocked() -> bool:
    return bool((await redis_client().info("clients"))["blocked_clients"])
