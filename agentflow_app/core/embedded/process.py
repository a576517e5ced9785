"""Child processes that cannot outlive whoever started them."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from agentflow_app.core.embedded.account import Account

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent(death: signal.Signals = signal.SIGTERM) -> None:
    """Asks the kernel to send this process `death` when the thread that started it ends (Linux)."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(death))


def _prepare(parent: int, death: signal.Signals, shielded: frozenset[signal.Signals]) -> Callable[[], None]:
    def between_fork_and_exec() -> None:
        die_with_parent(death)
        if os.getppid() != parent:
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_BLOCK, shielded)

    return between_fork_and_exec


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    account: Account | None = None,
    death: signal.Signals = signal.SIGTERM,
    shielded: Iterable[signal.Signals] = (),
    own_group: bool = False,
) -> subprocess.Popen[bytes]:
    """Starts `command` with its output appended to `log`.

    It gets `death` when the caller's thread ends, so call it from the main one. `shielded` signals are
    blocked in the child. With `account` it runs as that user.
    """
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603  # the commands are ours, none comes from outside
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            cwd=cwd,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
            process_group=0 if own_group else None,
            preexec_fn=_prepare(os.getpid(), death, frozenset(shielded)),
        )


def stop(process: subprocess.Popen[bytes], *, how: signal.Signals, grace: float) -> bool:
    """Sends `how`, then SIGKILL to what is left after `grace` seconds. True if it ended by itself."""
    if process.poll() is not None:
        return True
    process.send_signal(how)
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def wait_until(ready: Callable[[], bool], *, seconds: float, process: subprocess.Popen[bytes]) -> bool:
    """Polls `ready` while `process` lives. False when it died or `seconds` passed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if ready():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    return False


def last_lines(log: Path, count: int = 5) -> str:
    """The end of a log, for a message about a child that did not start."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return "\n".join(lines[-count:])
