"""Attempts of steps, bounded in time and stopped."""

import asyncio
import gc

from engine.attempt import bounded
from engine.testing import FakeClock


async def test_a_step_that_fails_while_it_is_stopped_is_not_reported_as_forgotten() -> None:
    reported: list[str] = []
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("too late for anybody")

    loop.set_exception_handler(lambda _, context: reported.append(context["message"]))
    try:
        attempt = asyncio.create_task(bounded(FakeClock(), 60, work()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)
        del attempt
        await asyncio.sleep(0)
        gc.collect()
    finally:
        loop.set_exception_handler(before)
    assert reported == []
