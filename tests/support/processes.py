"""Real processes of AgentFlow, for tests that look at it from outside."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from agentflow_app.core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 360.0
"""Seconds after which another process counts as hung, on the slowest machine."""
_NOT_INHERITED = (
    "DATABASE_URL",
    "REDIS_URL",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "MAKELEVEL",
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


UNLIMITED = {f"AGENTFLOW_RATE_LIMIT_{name}": "off" for name in ("AUTH", "ORG", "KEY", "ADDRESS")}
"""All tests come from one address."""


def clean_environment(**extra: str) -> dict[str, str]:
    """This process' environment without what the session's own services put there."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _NOT_INHERITED and not name.startswith("AGENTFLOW_")
    }
    return kept | extra


def environment_over(settings: Settings, **extra: str) -> dict[str, str]:
    """For a process over the session's services."""
    return clean_environment(
        DATABASE_URL=settings.database_url,
        REDIS_URL=settings.redis_url,
        AGENTFLOW_SECRET_KEY=settings.secret_key.get_secret_value(),
        AGENTFLOW_DATA_DIR=str(settings.data_dir),
        **extra,
    )


def eventually(true: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Waits for an event of another process; fails when it does not come."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {true}")
        time.sleep(0.05)


@dataclass
class Installation:
    """A data directory and port of its own, and `agentflow up` on it."""

    data_dir: Path
    port: int
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> Path:
        return self.data_dir.with_suffix(".out")

    def share_builds(self) -> None:
        """The front end is kept by content, so that one build serves all installations of these sources."""
        shared = ROOT / ".agentflow" / "frontend"
        shared.mkdir(parents=True, exist_ok=True)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        (self.data_dir / "frontend").symlink_to(shared)

    def command(self, *arguments: str, **extra: str) -> "subprocess.CompletedProcess[str]":
        """A command that ends by itself."""
        return subprocess.run(
            [sys.executable, "-m", "agentflow_app.cli.commands", *arguments],
            cwd=ROOT,
            env=self.environment(**extra),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def environment(self, **extra: str) -> dict[str, str]:
        given = {"AGENTFLOW_DATA_DIR": str(self.data_dir), "PORT": str(self.port), **UNLIMITED, **extra}
        return clean_environment(**given)

    def start(self, **extra: str) -> None:
        """Starts everything in a process group of its own and waits until all checks are ok."""
        with self.output.open("a") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "agentflow_app.cli.commands", "up"],
                cwd=ROOT,
                env=self.environment(**extra),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        eventually(self.is_ready_or_dead, seconds=PATIENCE)
        assert self.process.poll() is None, self.output.read_text()

    def is_ready_or_dead(self) -> bool:
        return (self.process is not None and self.process.poll() is not None) or self.is_ready()

    def is_ready(self) -> bool:
        try:
            answer = httpx.get(f"{self.url}/readyz", timeout=5)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200 and answer.json()["status"] == "ok"

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(timeout=PATIENCE)

    def processes(self) -> dict[str, psutil.Process]:
        """What runs on this data directory, by role; PostgreSQL's own children are left out."""
        found: dict[str, psutil.Process] = {}
        own = self._own_tree()
        for process in psutil.process_iter():
            try:
                title = " ".join(process.cmdline()).strip()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            if title.startswith("agentflow ") and process.pid in own:
                found[title.removeprefix("agentflow ")] = process
            elif str(self.data_dir) in title and "redis-server" in title:
                found["redis"] = process
            elif title.endswith(f"-D {self.data_dir}/postgres"):
                found["postgres"] = process
        return found

    def _own_tree(self) -> set[int]:
        if self.process is None or self.process.poll() is not None:
            return set()
        root = psutil.Process(self.process.pid)
        return {root.pid, *(child.pid for child in root.children(recursive=True))}
