import asyncio
from collections.abc import AsyncIterator

import pytest

from agentflow_app.ui.executions.gathering import gathered


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def test_a_burst_arrives_as_one_batch_and_nothing_is_lost() -> None:
    batches = [batch async for batch in gathered(numbers(1000), "token")]
    assert [number for batch in batches for number in batch] == list(range(1000))
    assert len(batches) < 10


async def test_a_source_that_fails_fails_its_reader() -> None:
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise ConnectionError("gone")

    seen: list[int] = []

    async def read() -> None:
        async for batch in gathered(broken(), "token"):
            seen.extend(batch)

    with pytest.raises(ConnectionError):
        await read()
    assert seen == [1]


async def test_the_source_is_let_go_when_its_reader_stops() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            closed.set()

    batches = gathered(endless(), "token")
    assert await anext(batches) == [1]
    await batches.aclose()
    assert closed.is_set()
