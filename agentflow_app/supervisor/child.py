"""One of AgentFlow's own processes: started, watched, started again when it dies."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from agentflow_app.core.embedded.process import spawn

_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0
_SETTLED_AFTER = 60.0
_LOG_LIMIT = 20_000_000


class Child:
    """`agentflow <name>` with its log and its pid file."""

    def __init__(self, name: str, *, data_dir: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self.log = data_dir / "logs" / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.deaths = 0
        self._pid_file = data_dir / "run" / f"{name}.pid"
        self._env = env
        self._started = 0.0
        self._due: float | None = None

    def start(self) -> None:
        self._due = None
        self._started = time.monotonic()
        command = [sys.executable, "-m", "agentflow_app.roles", self.name]
        self.process = spawn(command, log=self.log, env=self._env)
        self._pid_file.write_text(f"{self.process.pid} {_birth(self.process.pid)}")

    def tend(self) -> str | None:
        """Starts it again when its time has come. Says what happened, if anything did."""
        if self._due is not None:
            if time.monotonic() >= self._due:
                self.start()
            return None
        if self.process is None or self.process.poll() is None:
            return None
        if time.monotonic() - self._started > _SETTLED_AFTER:
            self.deaths = 0
        delay = min(_FIRST_DELAY * 2**self.deaths, _LONGEST_DELAY)
        self.deaths += 1
        self._due = time.monotonic() + delay
        how = ended_how(self.process.returncode)
        return f"{self.name} {how}; starting it again in {delay:g} s (log: {self.log})"

    def ask_to_stop(self) -> None:
        self._due = None
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def end(self, deadline: float) -> None:
        """Waits until `deadline` (monotonic), then kills."""
        if self.process is not None:
            try:
                self.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._pid_file.unlink(missing_ok=True)

    def trim_log(self) -> None:
        """Keeps one older part. The child appends, so cutting the file under it is safe."""
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)

    def end_leftover(self, grace: float) -> None:
        """Ends the one of a run that was killed, if it is still on its way out."""
        try:
            pid, birth = self._pid_file.read_text().split()
        except (FileNotFoundError, ValueError):
            return
        if _birth(int(pid)) == birth:
            process = psutil.Process(int(pid))
            process.terminate()
            _, alive = psutil.wait_procs([process], timeout=grace)
            for left in alive:
                left.kill()
                left.wait(grace)
        self._pid_file.unlink(missing_ok=True)


def ended_how(returncode: int) -> str:
    if returncode < 0:
        return f"was killed by {signal.Signals(-returncode).name}"
    return f"ended with code {returncode}"


def _birth(pid: int) -> str:
    """When `pid` was born: with it, a pid names one process for ever."""
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.NoSuchProcess:
        return ""
