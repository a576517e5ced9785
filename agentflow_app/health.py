"""Whether a container's process works: web answers, a worker or scheduler has given a sign of life lately."""

import http.client
import platform

import psutil
import psycopg

from agentflow_app.core.heartbeats import ALIVE_FOR
from agentflow_app.core.settings import Settings, settings
from agentflow_app.supervisor.readiness import local_address


def is_healthy(pid: int) -> bool:
    """Whether the process `pid`, be it web, worker or scheduler, does its work."""
    role = " ".join(psutil.Process(pid).cmdline()).removeprefix("agentflow ").strip()
    config = settings()
    return _beats(role, pid, config) if role in ("worker", "scheduler") else _answers(config)


def _answers(config: Settings) -> bool:
    connection = http.client.HTTPConnection(local_address(config.host), config.port, timeout=4)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _beats(role: str, pid: int, config: Settings) -> bool:
    try:
        with psycopg.connect(config.database_url, connect_timeout=4) as connection:
            found = connection.execute(
                "SELECT 1 FROM process_heartbeats WHERE starts_with(process_id, %s) AND seen_at > now() - %s",
                (f"{role}@{platform.node()[:50]}:{pid}:", ALIVE_FOR),
            )
            return found.fetchone() is not None
    except psycopg.Error:
        return False
