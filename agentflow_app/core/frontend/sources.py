"""What the front end is made of, and where a build of exactly that is kept."""

import hashlib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
_TREES = ("agentflow_app", "engine", "assets", "reflex.lock")
"""Pages draw forms and the palette from the engine's node kinds, so a change there is a new front end too."""
_IGNORED = ("__pycache__", "external")
_KEPT_BUILDS = 3


def key() -> str:
    """Names the sources' content, the build's own code and Reflex's version among them."""
    digest = hashlib.sha256(_reflex_version().encode())
    for path in _files():
        digest.update(str(path.relative_to(PROJECT)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:20]


def packages_key() -> str:
    """Names the npm packages that the lock file asks for."""
    lock = PROJECT / "reflex.lock"
    return hashlib.sha256(
        b"".join((lock / name).read_bytes() for name in ("package.json", "package-lock.json"))
    ).hexdigest()[:20]


def folder(data_dir: Path) -> Path:
    return data_dir.absolute() / "frontend"


def build_of(data_dir: Path) -> Path:
    """Where the build of the present sources is, once `is_built`."""
    return folder(data_dir) / "builds" / key()


def is_built(build: Path) -> bool:
    return (build / "build" / "client" / "404.html").is_file()


def superseded(data_dir: Path) -> list[Path]:
    """The builds beyond the last few, oldest first."""
    builds = [path for path in (folder(data_dir) / "builds").glob("*") if is_built(path)]
    builds.sort(key=lambda path: path.stat().st_mtime)
    return builds[:-_KEPT_BUILDS]


def _files() -> Iterator[Path]:
    yield PROJECT / "rxconfig.py"
    for tree in _TREES:
        for path in sorted((PROJECT / tree).rglob("*")):
            parts = path.relative_to(PROJECT).parts
            if path.is_file() and not any(part in _IGNORED for part in parts):
                yield path


def _reflex_version() -> str:
    try:
        return version("reflex")
    except PackageNotFoundError:
        return ""
