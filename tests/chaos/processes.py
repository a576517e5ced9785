"""The worker and scheduler processes, and what is done to them and to the stores."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from redis import Redis

from agentflow_app.core.embedded.process import spawn
from agentflow_app.core.settings import Settings
from tests.support.processes import ROOT, UNLIMITED, environment_over
from tests.support.services import Services


@dataclass
class Recovery:
    """A run whose worker was killed, until another one has it."""

    run_id: str
    epoch: int
    since: float


@dataclass
class Processes:
    """What blocks is done in a thread of its own, which lasts: the stores that it starts die with it."""

    services: Services
    settings: Settings
    logs: Path
    workers: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    scheduler: "subprocess.Popen[bytes] | None" = None
    waiting: list[Recovery] = field(default_factory=list)
    recovered: list[float] = field(default_factory=list)
    """Seconds from a kill to the next claim, of each run that the dead worker had."""
    started: int = 0

    def __post_init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)

    def start(self, workers: int) -> None:
        self.scheduler = self._process("scheduler")
        self.workers = [self._process("worker") for _ in range(workers)]

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in (*self.workers, self.scheduler):
            if process is not None:
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()

    def _process(self, role: str) -> "subprocess.Popen[bytes]":
        self.started += 1
        environment = environment_over(
            self.settings,
            AGENTFLOW_ALLOWED_PRIVATE_HOSTS="127.0.0.1",
            AGENTFLOW_LOG_FORMAT="json",
            **UNLIMITED,
        )
        return spawn(
            [sys.executable, "-m", "agentflow_app.roles", role],
            log=self.logs / f"{self.started}-{role}.log",
            env=environment,
            cwd=ROOT,
            death=signal.SIGKILL,
        )

    async def kill_worker(self, place: int) -> None:
        victim = self.workers[place % len(self.workers)]
        victim.kill()
        killed_at = time.monotonic()
        await asyncio.to_thread(victim.wait)
        self.waiting += [
            Recovery(run_id, epoch, killed_at)
            for run_id, epoch in await self.blocking(self._held_by, victim.pid)
        ]
        self.workers[place % len(self.workers)] = self._process("worker")

    async def flush_redis(self) -> None:
        await self.blocking(self._flush)

    async def crash_redis(self) -> None:
        await self.blocking(self._crash, self.services.redis)

    async def crash_postgres(self) -> None:
        """As if its power was cut: nothing is written that is not on disk."""
        await self.blocking(self._crash, self.services.postgres)

    async def watch(self) -> None:
        """Notes when what a dead worker had is claimed again."""
        while True:
            await asyncio.sleep(0.2)
            if not self.waiting:
                continue
            try:
                found = await self.blocking(self._epochs, [each.run_id for each in self.waiting])
            except psycopg.Error:
                continue
            now = time.monotonic()
            left = []
            for each in self.waiting:
                epoch, over = found.get(each.run_id, (each.epoch, True))
                if over or epoch > each.epoch:
                    self.recovered.append(now - each.since)
                else:
                    left.append(each)
            self.waiting = left

    async def blocking(self, work: Callable, *given: object):  # type: ignore[no-untyped-def,type-arg]
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *given)

    def query(self, statement: str, *given: object) -> list[tuple]:  # type: ignore[type-arg]
        with psycopg.connect(self.settings.database_url, connect_timeout=5) as connection:
            return connection.execute(statement.encode(), given).fetchall()

    def _held_by(self, pid: int) -> list[tuple[str, int]]:
        statement = "SELECT id::text, epoch FROM executions WHERE status = 'running' AND lease_owner LIKE %s"
        return self.query(statement, f"%:{pid}:%")

    def _epochs(self, ids: list[str]) -> dict[str, tuple[int, bool]]:
        statement = "SELECT id::text, epoch, status <> 'running' FROM executions WHERE id = ANY(%s::uuid[])"
        return {row[0]: (row[1], row[2]) for row in self.query(statement, ids)}

    def _flush(self) -> None:
        with Redis.from_url(self.settings.redis_url) as client:
            client.flushall()

    @staticmethod
    def _crash(server) -> None:  # type: ignore[no-untyped-def]
        server.process.kill()
        server.process.wait()
        server.start()
