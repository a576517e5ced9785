"""What must be true before anything is started; each failure is one line that says how to mend it."""

import errno
import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agentflow_app.core.startup import StartupError

_FIRST_START_BYTES = 1_500_000_000
LATER_START_BYTES = 200_000_000


@contextmanager
def sole_use(data_dir: Path) -> Iterator[None]:
    """Holds the data directory for this process. The kernel lets go of it however the process ends."""
    try:
        data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        lock = (data_dir / "lock").open("a+")
    except OSError as error:
        raise StartupError(
            f"{data_dir} cannot be written ({error.strerror}): set AGENTFLOW_DATA_DIR to a folder of yours."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise StartupError(
                f"AgentFlow already runs on {data_dir} (pid {holder}): use that one, stop it, or set"
                " AGENTFLOW_DATA_DIR and PORT for a second one."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def require_space(data_dir: Path, *, first_start: bool) -> None:
    wanted = _FIRST_START_BYTES if first_start else LATER_START_BYTES
    free = shutil.disk_usage(data_dir).free
    if free < wanted:
        raise StartupError(
            f"The disk of {data_dir} is full: {free / 1e6:.0f} MB are free, {wanted / 1e6:.0f} MB are needed."
        )


def require_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise StartupError(
                    f"Port {port} is taken by another program: stop it, or choose one with PORT={port + 1}."
                ) from error
            raise StartupError(f"Cannot listen on {host}:{port} ({error.strerror}).") from error
