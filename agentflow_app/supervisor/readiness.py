"""Asks the running web process whether everything is up."""

import http.client
import json
from dataclasses import dataclass, field

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared with, not bound to


@dataclass(frozen=True)
class Readiness:
    """The answer of /readyz. `missing` names the checks that are not ok, or why there is no answer."""

    ready: bool
    missing: list[str] = field(default_factory=list)


def local_address(host: str) -> str:
    """Where a server that listens on `host` is reached from this machine."""
    return _ANY_ADDRESS.get(host, host)


def ask(host: str, port: int, timeout: float = 2.0) -> Readiness:
    connection = http.client.HTTPConnection(local_address(host), port, timeout=timeout)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return Readiness(False, ["web does not answer yet"])
    finally:
        connection.close()
    try:
        checks = json.loads(body)["checks"]
    except (ValueError, KeyError, TypeError):
        return Readiness(False, [f"/readyz answers {response.status}"])
    missing = sorted(name for name, state in checks.items() if state != "ok")
    return Readiness(response.status == 200 and not missing, missing)
