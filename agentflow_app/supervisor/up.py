"""Starts everything in order, keeps it running, stops it in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from agentflow_app.core.embedded.postgres import Postgres
from agentflow_app.core.embedded.process import die_with_parent, last_lines, spawn, stop
from agentflow_app.core.embedded.redis import EmbeddedRedis
from agentflow_app.core.embedded.secrets import local_secrets
from agentflow_app.core.frontend import sources
from agentflow_app.core.settings import Settings
from agentflow_app.core.startup import FAILURE_PREFIX, StartupError
from agentflow_app.supervisor import readiness
from agentflow_app.supervisor.child import Child, ended_how
from agentflow_app.supervisor.preflight import require_port, require_space, sole_use
from agentflow_app.supervisor.screen import Screen

_PARTS = ("web", "worker", "scheduler")
_PAUSE = 0.1
_READY_WITHIN = 240.0
_DEATHS_BEFORE_READY = 3
_STOP_PARTS_WITHIN = 5.0
_TRIM_EVERY = 60.0


class _StopRequested(BaseException):
    """A signal asked for the end."""


class Supervisor:
    """One run of `agentflow up`."""

    def __init__(self, config: Settings, screen: Screen) -> None:
        self._config = config
        self._screen = screen
        self._data_dir = config.data_dir.absolute()
        self._env = dict(os.environ)
        self._postgres: Postgres | None = None
        self._redis: EmbeddedRedis | None = None
        self._helpers: list[subprocess.Popen[bytes]] = []
        self._children: list[Child] = []
        self._revivals: dict[str, tuple[int, float]] = {}

    def run(self) -> None:
        """Returns when a signal asked for the end and everything has stopped.

        :raises StartupError: when something cannot be started; what was started is stopped first.
        """
        if os.environ.get("MAKELEVEL"):
            die_with_parent(signal.SIGTERM)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        with sole_use(self._data_dir):
            try:
                self._start()
                self._watch()
            except _StopRequested:
                self._screen.line("\nStopping…")
            except BaseException:
                self._screen.fail_running()
                raise
            finally:
                self._stop()
        self._screen.line("Stopped. The data is kept.")

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        raise _StopRequested

    def _start(self) -> None:
        began = time.monotonic()
        for name in ("logs", "run"):
            (self._data_dir / name).mkdir(exist_ok=True)
        require_space(self._data_dir, first_start=not (self._data_dir / "postgres").exists())
        self._children = [Child(name, data_dir=self._data_dir, env=self._env) for name in _PARTS]
        for child in self._children:
            child.end_leftover(grace=5)
        require_port(self._config.host, self._config.port)
        self._screen.announce(
            postgres="PostgreSQL", redis="Redis", schema="Schema", frontend="Front end", parts="Processes"
        )
        build = self._helper("build")
        self._screen.begin("frontend")
        self._start_stores()
        self._migrate()
        _, worker, scheduler = self._children
        worker.start()
        scheduler.start()
        self._finish_build(build)
        self._start_web()
        self._show(time.monotonic() - began)

    def _start_stores(self) -> None:
        kept = local_secrets(self._data_dir)
        logs = self._data_dir / "logs"
        self._env |= {
            "AGENTFLOW_DATA_DIR": str(self._data_dir),
            "AGENTFLOW_SECRET_KEY": self._config.secret_key.get_secret_value() or kept.secret_key,
            "PORT": str(self._config.port),
            "MALLOC_ARENA_MAX": "2",
        }
        self._env.pop("MAKELEVEL", None)
        self._screen.begin("postgres")
        if self._config.database_url:
            self._screen.done("postgres", "yours (DATABASE_URL)")
        else:
            self._postgres = Postgres(self._data_dir, kept.postgres_password, logs / "postgres.log")
            self._postgres.start()
            self._env["DATABASE_URL"] = self._postgres.url
            self._screen.done("postgres")
        self._screen.begin("redis")
        if self._config.redis_url:
            self._screen.done("redis", "yours (REDIS_URL)")
        else:
            self._redis = EmbeddedRedis(self._data_dir, kept.redis_password, logs / "redis.log")
            self._redis.start()
            self._env["REDIS_URL"] = self._redis.url
            self._screen.done("redis")

    def _migrate(self) -> None:
        self._screen.begin("schema")
        helper = self._helper("migrate")
        while helper.poll() is None:
            time.sleep(_PAUSE)
        if helper.returncode != 0:
            raise self._failure("The schema could not be brought up to date", "migrate")
        self._screen.done("schema")

    def _finish_build(self, build: subprocess.Popen[bytes]) -> None:
        while build.poll() is None:
            self._screen.note("frontend", last_lines(self._log("build"), 1))
            time.sleep(_PAUSE)
        if build.returncode != 0:
            raise self._failure("The front end could not be built", "build", lines=20)
        self._screen.done("frontend", f"build {sources.build_of(self._data_dir).name}")

    def _start_web(self) -> None:
        self._screen.begin("parts")
        self._children[0].start()
        deadline = time.monotonic() + _READY_WITHIN
        while not (answer := readiness.ask(self._config.host, self._config.port)).ready:
            self._screen.note("parts", "waiting: " + ", ".join(answer.missing))
            self._tend()
            for child in self._children:
                if child.deaths >= _DEATHS_BEFORE_READY:
                    raise self._failure(f"{child.name} does not start", child.name, lines=12)
            if time.monotonic() > deadline:
                raise StartupError(
                    f"Not ready after {_READY_WITHIN:.0f} s ({', '.join(answer.missing)})."
                    f" See the logs in {self._data_dir / 'logs'}."
                )
            time.sleep(_PAUSE)
        self._screen.done("parts")

    def _watch(self) -> None:
        trimmed = time.monotonic()
        while True:
            time.sleep(_PAUSE * 2)
            self._tend()
            if time.monotonic() - trimmed > _TRIM_EVERY:
                trimmed = time.monotonic()
                for child in self._children:
                    child.trim_log()

    def _tend(self) -> None:
        for child in self._children:
            if said := child.tend():
                self._screen.line(said)
        if self._postgres is not None:
            self._revive("PostgreSQL", self._postgres.process, self._postgres.start)
        if self._redis is not None:
            self._revive("Redis", self._redis.process, self._redis.start)

    def _revive(self, name: str, process: subprocess.Popen[bytes] | None, start: Callable[[], None]) -> None:
        if process is None or process.poll() is None:
            return
        attempts, due = self._revivals.get(name, (0, 0.0))
        if time.monotonic() < due:
            return
        self._revivals[name] = (attempts + 1, time.monotonic() + min(2.0**attempts, 30.0))
        self._screen.line(f"{name} {ended_how(process.returncode)}; starting it again")
        try:
            start()
        except StartupError as error:
            self._screen.line(str(error))

    def _stop(self) -> None:
        deadline = time.monotonic() + _STOP_PARTS_WITHIN
        for child in self._children:
            child.ask_to_stop()
        for helper in self._helpers:
            stop(helper, how=signal.SIGTERM, grace=1)
        for child in self._children:
            child.end(deadline)
        if self._redis is not None:
            self._redis.stop()
        if self._postgres is not None:
            self._postgres.stop()

    def _helper(self, name: str) -> subprocess.Popen[bytes]:
        """Runs `agentflow <name>` once, with a log of its own."""
        log = self._log(name)
        log.unlink(missing_ok=True)
        process = spawn([sys.executable, "-m", "agentflow_app.roles", name], log=log, env=self._env)
        self._helpers.append(process)
        return process

    def _log(self, name: str) -> Path:
        return self._data_dir / "logs" / f"{name}.log"

    def _failure(self, what: str, log_name: str, lines: int = 8) -> StartupError:
        said = last_lines(self._log(log_name), lines)
        _, own, message = said.rpartition(FAILURE_PREFIX)
        return StartupError(message if own else f"{what}. The end of its log:\n{said}")

    def _show(self, seconds: float) -> None:
        say = self._screen.line
        say()
        say(f"  AgentFlow is ready after {seconds:.0f} s:  http://{self._shown_host()}:{self._config.port}")
        say()
        for child in self._children:
            pid = child.process.pid if child.process else "-"
            say(f"  {child.name:<10} pid {pid:<8} log {child.log}")
        if self._postgres and self._postgres.process:
            say(f"  {'postgres':<10} pid {self._postgres.process.pid:<8} {self._postgres.shown_url}")
        if self._redis and self._redis.process:
            say(f"  {'redis':<10} pid {self._redis.process.pid:<8} {self._redis.shown_url}")
        say(f"  {'data':<10} {self._data_dir}")
        say()
        say("  Ctrl-C stops everything. agentflow doctor says what is wrong, if something is.")

    def _shown_host(self) -> str:
        return "localhost" if self._config.host in ("127.0.0.1", "0.0.0.0", "::") else self._config.host  # noqa: S104


def up(config: Settings) -> None:
    Supervisor(config, Screen()).run()
