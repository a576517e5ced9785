"""`agentflow up` from outside: what runs, what is started again, what is left when it ends."""

import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.processes import PATIENCE, Installation, eventually, free_port

ROLES = {"up", "web", "worker", "scheduler", "postgres", "redis"}


@pytest.fixture
def installation() -> Iterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="agentflow-up-", ignore_cleanup_errors=True) as folder:
        made = Installation(Path(folder) / "data", free_port())
        made.share_builds()
        yield made
        if made.process is not None:
            made.stop()


def test_everything_runs_in_one_group_under_its_own_name(stack: Installation) -> None:
    running = stack.processes()

    assert set(running) == ROLES
    assert {os.getpgid(process.pid) for process in running.values()} == {os.getpgid(running["up"].pid)}
    assert (stack.data_dir / "secrets.json").stat().st_mode & 0o777 == 0o600
    shown = stack.output.read_text()
    assert stack.url.replace("127.0.0.1", "localhost") in shown
    assert "password" not in shown.lower()


def test_a_second_start_on_the_same_data_is_one_clear_line(stack: Installation) -> None:
    second = Installation(stack.data_dir, free_port()).command("up")

    assert second.returncode == 1
    assert second.stderr.startswith("agentflow: AgentFlow already runs on ")
    assert second.stderr.count("\n") == 1


def test_a_taken_port_is_one_clear_line(installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", installation.port)):
        refused = installation.command("up")

    assert refused.returncode == 1
    assert refused.stderr == (
        f"agentflow: Port {installation.port} is taken by another program: stop it,"
        f" or choose one with PORT={installation.port + 1}.\n"
    )


@pytest.mark.parametrize("secret", ["", "short", "a" * 64])
def test_production_does_not_start_with_a_missing_or_weak_secret(
    installation: Installation, secret: str
) -> None:
    refused = installation.command("up", AGENTFLOW_ENV="production", AGENTFLOW_SECRET_KEY=secret)

    assert refused.returncode == 1
    assert refused.stderr.startswith("agentflow: AGENTFLOW_SECRET_KEY is missing or weak")
    assert refused.stderr.count("\n") == 1


def test_parts_started_alone_say_what_they_need(installation: Installation) -> None:
    for role in ("web", "worker", "scheduler", "migrate"):
        refused = installation.command(role)
        assert refused.returncode == 1
        assert refused.stderr.startswith("agentflow: DATABASE_URL is not set"), role


def test_whatever_dies_is_started_again_and_said_so(installation: Installation) -> None:
    installation.start()
    for victim in ("worker", "web", "redis", "postgres"):
        before = installation.processes()[victim]
        before.kill()
        eventually(lambda v=victim, b=before: installation.processes().get(v, b) != b)
    eventually(installation.is_ready, seconds=PATIENCE)

    said = installation.output.read_text()
    assert "worker was killed by SIGKILL; starting it again in 0.5 s" in said
    assert "PostgreSQL was killed by SIGKILL; starting it again" in said


def test_a_signal_stops_everything_and_the_next_start_finds_the_data(installation: Installation) -> None:
    for how in (signal.SIGTERM, signal.SIGINT):
        installation.start()
        running = list(installation.processes().values())

        assert installation.stop(how) == 0

        assert [process for process in running if process.is_running()] == []
        assert installation.processes() == {}
    assert "Stopped. The data is kept." in installation.output.read_text()


def test_a_killed_supervisor_leaves_nothing_and_is_no_obstacle(installation: Installation) -> None:
    installation.start()
    before = installation.processes()
    key = (installation.data_dir / "secrets.json").read_text()
    before["up"].kill()
    assert installation.process is not None
    installation.process.wait()

    installation.start()

    after = installation.processes()
    assert set(after) == ROLES
    assert {process.pid for process in after.values()}.isdisjoint(process.pid for process in before.values())
    psutil.wait_procs(list(before.values()), timeout=PATIENCE)
    assert [process for process in before.values() if process.is_running()] == []
    assert (installation.data_dir / "secrets.json").read_text() == key
