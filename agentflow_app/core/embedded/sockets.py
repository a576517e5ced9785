"""Folders for unix sockets, whose paths the kernel limits to 107 bytes."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from agentflow_app.core.embedded.account import Account
from agentflow_app.core.startup import StartupError

_LONGEST_NAME = len("/.s.PGSQL.5432.lock")
_LIMIT = 107 if os.uname().sysname == "Linux" else 103


def socket_folder(wanted: Path) -> Path:
    """`wanted`, or a short folder that stands for it where its path is too long."""
    folder = wanted.absolute()
    if _fits(folder):
        return folder
    name = "agentflow-" + hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / name
    return short if _fits(short) else Path("/tmp") / name  # noqa: S108  # made private by make_private


def make_private(folder: Path, account: Account | None = None) -> None:
    """Makes `folder` for `account` (or this user) alone; refuses one that somebody else put there."""
    owner = account.uid if account else os.geteuid()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
        raise StartupError(f"{folder} is somebody else's: remove it or set a shorter AGENTFLOW_DATA_DIR.")
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    folder.chmod(0o700)


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder)) + _LONGEST_NAME <= _LIMIT
