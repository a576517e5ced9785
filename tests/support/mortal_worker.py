"""A worker process that is killed at a numbered point of its own life.

Points are numbered at the drivers, so that new code has them without a word: on either side of each commit,
of each request that leaves, and of each acknowledgement to the queue.
"""

import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

MODULE = __name__
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([MODULE, "workers.main", "psycopg", "httpx", "dramatiq.brokers.redis"])


class Mortal:
    """One such process. `names` are the points that it came by."""

    def __init__(self, environment: Mapping[str, str], notes: Path, fatal: int | None) -> None:
        self.fatal = fatal
        self._notes = notes
        notes.write_text("")
        self.process: BaseProcess = _forks.Process(
            target=_live, args=(dict(environment), str(notes), fatal), daemon=True
        )

    def start(self) -> None:
        self.process.start()

    @property
    def dead(self) -> bool:
        return self.process.exitcode is not None

    @property
    def names(self) -> list[str]:
        return self._notes.read_text().splitlines()

    def stop(self) -> None:
        """At once, if it still lives."""
        if not self.dead:
            self.process.kill()
        self.process.join()


def _live(environment: dict[str, str], notes: str, fatal: int | None) -> None:
    os.environ.clear()
    os.environ.update(environment)
    come_by = _numbered(os.open(notes, os.O_WRONLY | os.O_APPEND), fatal)
    _mark_commits(come_by)
    _mark_requests(come_by)
    _mark_acknowledgements(come_by)
    from workers.main import run

    run()


def _numbered(notes: int, fatal: int | None) -> Callable[[str], None]:
    numbers, lock = count(1), threading.Lock()

    def come_by(name: str) -> None:
        with lock:
            os.write(notes, f"{name}\n".encode())
            if next(numbers) == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    return come_by


def _mark_commits(come_by: Callable[[str], None]) -> None:
    import psycopg

    from agentflow_app.core.pipeline import PipelinedConnection

    _around(psycopg.AsyncConnection, "commit", come_by, "commit")
    _around(PipelinedConnection, "transact", come_by, "commit")


def _mark_requests(come_by: Callable[[str], None]) -> None:
    import httpx

    _around(httpx.AsyncClient, "send", come_by, "request")


def _mark_acknowledgements(come_by: Callable[[str], None]) -> None:
    from dramatiq.brokers.redis import _RedisConsumer

    acknowledge = _RedisConsumer.ack

    def ack(consumer: Any, message: Any) -> None:
        come_by("before acknowledgement")
        acknowledge(consumer, message)
        come_by("after acknowledgement")

    _RedisConsumer.ack = ack


def _around(owner: type, method: str, come_by: Callable[[str], None], name: str) -> None:
    inner: Callable[..., Awaitable[Any]] = getattr(owner, method)

    @functools.wraps(inner)
    async def marked(*args: Any, **options: Any) -> Any:
        come_by(f"before {name}")
        found = await inner(*args, **options)
        come_by(f"after {name}")
        return found

    setattr(owner, method, marked)
