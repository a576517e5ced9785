"""Compiles the pages and bundles them into static files."""

import gzip
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from agentflow_app.core.frontend import packages, sources
from agentflow_app.core.startup import StartupError

_ORIGIN = "http://same-origin.invalid"
"""Stands for the page's own origin in a bundle, which must work at any host and port."""
_ADDRESS = re.compile(r"""([`"'])(http|ws)://same-origin\.invalid(/[^`"']*)\1""")
_RUNTIME_FILES = ("backend", "routes.json", "env.json", "reflex.json")


def ensure_built(data_dir: Path, say: Callable[[str], None]) -> Path:
    """The build of the present sources, made if it is not there. `say` hears what is being done.

    :raises StartupError: with the last lines of whatever failed.
    """
    build = sources.build_of(data_dir)
    if sources.is_built(build):
        return build
    with packages.one_at_a_time(data_dir):
        if sources.is_built(build):
            return build
        say("installing npm packages")
        packages.install(data_dir)
        say("compiling pages, bundling")
        _prepare_stage(data_dir)
        _export(data_dir)
        web = packages.stage(data_dir) / ".web"
        _follow_the_page(web / "build" / "client")
        _keep(web, build)
        for old in sources.superseded(data_dir):
            shutil.rmtree(old, ignore_errors=True)
    return build


def relock(data_dir: Path) -> None:
    """Writes reflex.lock anew from what the pages import, for whoever changes them."""
    with packages.one_at_a_time(data_dir):
        packages.provide_programs(data_dir)
        _prepare_stage(data_dir)
        _export(data_dir, {"AGENTFLOW_RELOCK": "1", "npm_config_omit_lockfile_registry_resolved": "true"})
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(
                packages.stage(data_dir) / "reflex.lock" / name, sources.PROJECT / "reflex.lock" / name
            )


def _prepare_stage(data_dir: Path) -> None:
    place = packages.stage(data_dir)
    place.mkdir(parents=True, exist_ok=True)
    for name in ("assets", "reflex.lock"):
        shutil.rmtree(place / name, ignore_errors=True)
        if (sources.PROJECT / name).is_dir():
            shutil.copytree(sources.PROJECT / name, place / name, ignore=shutil.ignore_patterns("external"))
    shutil.copyfile(sources.PROJECT / "rxconfig.py", place / "rxconfig.py")
    # Without these two Reflex measures which public registry answers fastest.
    (place / ".npmrc").write_text("audit=false\nfund=false\n")
    (place / "bunfig.toml").write_text("")
    (place / "requirements.txt").write_text("reflex\n")


def _export(data_dir: Path, extra: dict[str, str] | None = None) -> None:
    """One `reflex export` in the stage; its output is kept in frontend/build.log."""
    log = sources.folder(data_dir) / "build.log"
    env = packages.environment(data_dir) | {
        "PYTHONPATH": str(sources.PROJECT),
        "REFLEX_API_URL": _ORIGIN,
        "REFLEX_DEPLOY_URL": _ORIGIN,
    }
    # Pages are compiled without the services that they will talk to.
    for name in ("DATABASE_URL", "REDIS_URL", "AGENTFLOW_ENV", "REFLEX_WEB_WORKDIR", "__REFLEX_SKIP_COMPILE"):
        env.pop(name, None)
    with log.open("w") as output:
        done = subprocess.run(
            [sys.executable, "-m", "reflex", "export", "--frontend-only", "--no-zip", "--loglevel", "info"],
            cwd=packages.stage(data_dir),
            env=env | (extra or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        said = packages.tail(log.read_text(errors="replace"))
        raise StartupError(f"The front end could not be built (a new npm package needs: make lock):\n{said}")


def _follow_the_page(client: Path) -> None:
    """Makes the bundle talk to wherever its page came from, plain or TLS, instead of a fixed address."""

    def relative(match: re.Match[str]) -> str:
        origin = "location.origin" if match[2] == "http" else "location.origin.replace(/^http/,'ws')"
        return f'({origin}+"{match[3]}")'

    for path in client.rglob("*.js"):
        text = path.read_text()
        if _ORIGIN.partition("://")[2] not in text:
            continue
        changed = _ADDRESS.sub(relative, text)
        path.write_text(changed)
        packed = path.with_name(path.name + ".gz")
        if packed.exists():
            packed.write_bytes(gzip.compress(changed.encode(), mtime=0))
    left = [path.name for path in client.rglob("*.js") if "same-origin.invalid" in path.read_text()]
    if left:
        raise StartupError(f"The front end's build holds a fixed address in {', '.join(left)}.")


def _keep(web: Path, build: Path) -> None:
    draft = build.with_name(build.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(
        web / "build" / "client", draft / "build" / "client", ignore=shutil.ignore_patterns(".vite")
    )
    for name in _RUNTIME_FILES:
        source = web / name
        if source.is_dir():
            shutil.copytree(source, draft / name)
        elif source.exists():
            shutil.copyfile(source, draft / name)
    shutil.rmtree(build, ignore_errors=True)
    os.replace(draft, build)
