"""A worker process: Dramatiq's threads receive wake-ups, one event loop runs the executions."""

import asyncio
import importlib
import logging
import pkgutil
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import dramatiq
import uvloop

import workers.actors
from agentflow_app.core import heartbeats
from agentflow_app.core.database import close_database
from agentflow_app.core.errors import AppError
from agentflow_app.core.jobs import broker
from agentflow_app.core.lanes import close_lanes
from agentflow_app.core.memory import settle
from agentflow_app.core.redis import close_redis
from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.providers.service import close_models

logger = logging.getLogger(__name__)
IDLE_MILLISECONDS = 1000
"""How often Dramatiq's threads look up while nothing comes; what comes wakes them at once."""


class WorkerProcess:
    """Joins the two worlds: actors on Dramatiq's threads, executions on the event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runtime: ExecutionRuntime | None = None

    def poke(self) -> None:
        """Thread-safe: something may be due."""
        if self._loop and self._runtime:
            self._loop.call_soon_threadsafe(self._runtime.poke)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Thread-safe: lets the event loop do it. What fails is logged; who asked for it sends it again."""
        if self._loop is None:
            work.close()
            return
        asyncio.run_coroutine_threadsafe(self._do(work), self._loop)

    @staticmethod
    async def _do(work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            logger.exception("A job failed")

    async def run(self) -> None:
        """Until SIGTERM or SIGINT; then the leases are handed back."""
        stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, stop.set)
        name = heartbeats.process_name("worker")
        self._runtime = ExecutionRuntime(name)
        for module in pkgutil.iter_modules(workers.actors.__path__, "workers.actors."):
            importlib.import_module(module.name)
        receiver = dramatiq.Worker(broker(), worker_timeout=IDLE_MILLISECONDS, worker_threads=1)
        pulse = asyncio.create_task(heartbeats.beat_forever("worker", name))
        self._runtime.start()
        receiver.start()
        settle()
        logger.info("Worker ready", extra={"worker": name})
        await stop.wait()
        logger.info("Worker stopping")
        pulse.cancel()
        await self._runtime.stop()
        await asyncio.to_thread(receiver.stop, timeout=2000)
        with suppress(AppError):  # the database may have stopped first
            await heartbeats.stop_beating(name)
        await close_models()
        await close_redis()
        await close_lanes()
        await close_database()


_worker = WorkerProcess()


def worker() -> WorkerProcess:
    """The one of this process."""
    return _worker


def run() -> None:
    uvloop.run(worker().run())
