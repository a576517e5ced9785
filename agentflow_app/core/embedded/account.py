"""Whom PostgreSQL runs as when the rest runs as root, which it refuses for itself."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from agentflow_app.core.startup import StartupError

_CANDIDATES = ("agentflow", "postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """A user of this machine."""

    name: str
    uid: int
    gid: int


def unprivileged() -> Account | None:
    """The user to drop to, or None when this process is not root."""
    if os.geteuid() != 0:
        return None
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise StartupError(
        "PostgreSQL does not run as root, and there is no user to run it as: add one named agentflow"
        " (useradd --system agentflow), or start as another user."
    )


def open_way(path: Path) -> None:
    """Lets other users pass through the folders above `path` (execute only: they cannot list them)."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def open_tree(root: Path) -> None:
    """Lets other users read and run what is under `root`, for environments made with a closed umask."""
    if root.stat().st_mode & stat.S_IROTH and next(root.glob("bin/*")).stat().st_mode & stat.S_IXOTH:
        return
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            may_run = path.is_dir() or bool(mode & stat.S_IXUSR)
            path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if may_run else 0))
