"""Events for a page: gathered, so that it changes at most ten times a second, while its tab is there."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

from reflex_base.registry import RegistrationContext

UPDATE_SECONDS = 0.1
LISTENING_SECONDS = 15.0

T = TypeVar("T")


def _listening(token: str) -> bool:
    namespace = RegistrationContext.get().app.event_namespace
    return namespace is not None and token in namespace.token_to_sid


async def gathered(source: AsyncIterator[T], token: str) -> AsyncGenerator[list[T], None]:
    """What `source` yields, in batches, until it ends or the tab `token` is gone."""
    pending: list[T] = []
    arrived = asyncio.Event()

    async def read() -> None:
        try:
            async for item in source:
                pending.append(item)
                arrived.set()
        finally:
            arrived.set()

    reader = asyncio.create_task(read(), name="page-events")
    try:
        while True:
            try:
                await asyncio.wait_for(arrived.wait(), LISTENING_SECONDS)
            except TimeoutError:
                if not _listening(token):
                    return
                continue
            arrived.clear()
            batch = pending[:]
            pending.clear()
            if batch:
                yield batch
            if reader.done() and not pending:
                reader.result()
                return
            await asyncio.sleep(UPDATE_SECONDS)
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
