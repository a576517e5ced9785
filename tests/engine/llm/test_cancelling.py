"""A cancelled question leaves no connection behind, wherever it was cancelled."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from dataclasses import replace
from typing import Any

import pytest

from engine.llm.question import Question
from engine.llm.request import ask
from engine.llm.router import ModelRouter
from engine.ports import Models
from tests.engine.llm.conftest import PATIENCE, Asking, Wire
from tests.model_server import ModelServer

Make = Callable[[Models], Asking]
PROMPT = "Is it hot or cold today?"


class Relay:
    """Stands before the model server and counts the connections that are open to it."""

    def __init__(self, server: ModelServer) -> None:
        self._server = server
        self._open = 0
        self._changed = asyncio.Condition()

    async def start(self) -> asyncio.Server:
        listening = await asyncio.start_server(self._connected, self._server.host, 0)
        self._port = listening.sockets[0].getsockname()[1]
        return listening

    def router(self, wire: Wire) -> ModelRouter:
        there, here = f":{self._server.port}", f":{self._port}"
        return ModelRouter(
            {
                name: replace(config, base_url=str(config.base_url).replace(there, here))
                for name, config in wire.providers(self._server).items()
            }
        )

    async def until_open(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: self._open == count)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._count(1)
        answers, questions = await asyncio.open_connection(self._server.host, self._server.port)
        answering = asyncio.create_task(_pump(answers, writer))
        await _pump(reader, questions)
        questions.transport.abort()
        await answering
        writer.transport.abort()
        await self._count(-1)

    async def _count(self, more: int) -> None:
        async with self._changed:
            self._open += more
            self._changed.notify_all()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while content := await reader.read(65536):
            writer.write(content)
            await writer.drain()
    except ConnectionError:
        pass


@pytest.fixture
async def relay(server: ModelServer) -> AsyncIterator[Relay]:
    made = Relay(server)
    async with await made.start():
        yield made
        await made.until_open(0)


class CancelledAt:
    """Runs `work` in the current task, which it cancels at the given pause, counted from 1.

    `late`: not while the task waits, but when what it waits for has come and it has not gone on yet.
    """

    def __init__(self, work: Coroutine[Any, Any, Any], pause: int, *, late: bool) -> None:
        self._work = work
        self._pause = pause
        self._late = late
        self.pauses = 0

    def __await__(self) -> Generator[Any, Any, None]:
        resume, value = self._work.send, None
        while True:
            try:
                awaited = resume(value)
            except StopIteration:
                return
            self.pauses += 1
            if self.pauses == self._pause:
                self._cancel(awaited)
            try:
                resume, value = self._work.send, (yield awaited)
            except BaseException as error:
                resume, value = self._work.throw, error

    def _cancel(self, awaited: asyncio.Future[Any] | None) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self._late and awaited is not None:
            awaited.add_done_callback(lambda _: task.cancel())
        else:
            task.cancel()


async def _wait(work: CancelledAt) -> None:
    await work


@pytest.mark.parametrize("behaviour", ["hang", "stall"])
async def test_the_connection_is_closed(
    wire: Wire, server: ModelServer, relay: Relay, asking: Make, behaviour: str
) -> None:
    router = relay.router(wire)
    asked = asking(router)
    task = asyncio.create_task(ask(Question([wire.named(behaviour)], PROMPT), asked.context))
    await asyncio.to_thread(server.wait_until, lambda requests: bool(requests))
    if behaviour == "stall":
        await asked.streaming.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await relay.until_open(0)
    await router.aclose()


@pytest.mark.parametrize("late", [False, True], ids=["waiting", "served"])
async def test_at_no_pause_is_a_connection_left_in_use(
    wire: Wire, relay: Relay, asking: Make, late: bool
) -> None:
    question = Question([wire.model], PROMPT)
    pause = 0
    cancelled = True
    while cancelled:
        pause += 1
        router = relay.router(wire)
        work = CancelledAt(ask(question, asking(router).context), pause, late=late)
        task = asyncio.create_task(_wait(work))
        await asyncio.wait([task])
        cancelled = work.pauses >= pause
        assert task.cancelled() is cancelled
        # What the cancelled one left is either closed or free, so only one connection is open after this.
        assert (await ask(question, asking(router).context)).text
        await relay.until_open(1)
        await router.aclose()
        await relay.until_open(0)
    assert pause > 5
