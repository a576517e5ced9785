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


def socket_folder(wanted: Path, account: Account | None = None) -> Path:
    """Makes `wanted`, or a short private folder that stands for it where its path is too long."""
    folder = wanted.absolute()
    if len(os.fsencode(folder)) + _LONGEST_NAME > _LIMIT:
        digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"agentflow-{digest}"
        if len(os.fsencode(folder)) + _LONGEST_NAME > _LIMIT:
            folder = Path("/tmp") / folder.name  # noqa: S108  # made private and checked below
    owner = account.uid if account else os.geteuid()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
        raise StartupError(
            f"{folder} belongs to somebody else: remove it, or set a shorter AGENTFLOW_DATA_DIR."
        )
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    folder.chmod(0o700)
    return folder
