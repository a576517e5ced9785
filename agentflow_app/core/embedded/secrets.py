"""The secrets of one installation: made at the first start, kept beside its data."""

import fcntl
import json
import os
import secrets
import stat
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from agentflow_app.core.startup import StartupError

FILE_NAME = "secrets.json"
LOCK_NAME = "secrets.lock"


@dataclass(frozen=True)
class LocalSecrets:
    """What signs sessions, opens the vault, and opens the embedded PostgreSQL and Redis. All hexadecimal."""

    secret_key: str
    master_key: str
    postgres_password: str
    redis_password: str


def local_secrets(data_dir: Path) -> LocalSecrets:
    """Reads the secrets of `data_dir`, making them when there are none. The file is mode 0600, always."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / LOCK_NAME).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two processes that start at once make one set
        return _read_or_made(data_dir / FILE_NAME)


def kept_master_key(data_dir: Path) -> str | None:
    """The master key of `data_dir`, if one was ever made there."""
    return _read(data_dir / FILE_NAME).get("master_key")


def _read(path: Path) -> dict[str, str]:
    try:
        kept: dict[str, str] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise StartupError(
            f"{path} is damaged: restore it from a backup; the data cannot be read without it."
        ) from error
    return kept


def _read_or_made(path: Path) -> LocalSecrets:
    kept = _read(path)
    names = [field.name for field in fields(LocalSecrets)]
    values = LocalSecrets(**{name: kept.get(name) or secrets.token_hex(32) for name in names})
    if asdict(values) != kept:
        _write(path, json.dumps(asdict(values), indent=2))
    elif stat.S_IMODE(path.stat().st_mode) != 0o600:
        path.chmod(0o600)
    return values


def _write(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
