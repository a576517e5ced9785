"""`make mutants`: takes each mechanism away in a copy of the sources, and sees that some test goes red.

ONLY=word takes those whose name holds the word.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutants.mechanisms import MECHANISMS, Mechanism

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "node_modules")
LONGEST = 900.0


def main() -> None:
    chosen = [each for each in MECHANISMS if os.environ.get("ONLY", "") in each.name]
    with tempfile.TemporaryDirectory(prefix="agentflow-mutants-", ignore_cleanup_errors=True) as name:
        folder = Path(name) / "sources"
        shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
        tests = sorted({path for each in chosen for path in each.tests})
        if not _passes(folder, tests):
            sys.exit("The tests fail without any change: mend them first.")
        survivors = [each for each in chosen if not _is_noticed(folder, each)]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} were noticed.")
    sys.exit(1 if survivors else 0)


def _is_noticed(folder: Path, mechanism: Mechanism) -> bool:
    path = folder / mechanism.path
    whole = path.read_text()
    if whole.count(mechanism.old) != 1:
        sys.exit(f"{mechanism.path} has changed: look at {mechanism.name!r} in tests/mutants/mechanisms.py.")
    path.write_text(whole.replace(mechanism.old, mechanism.new))
    try:
        noticed = not _passes(folder, mechanism.tests)
    finally:
        path.write_text(whole)
    print(f"{'noticed ' if noticed else 'SURVIVED'}  without {mechanism.name}", flush=True)
    return noticed


def _passes(folder: Path, tests: tuple[str, ...] | list[str]) -> bool:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


if __name__ == "__main__":
    main()
