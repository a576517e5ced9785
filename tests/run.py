"""`make test`: every test with the browser, branch coverage of all processes together, no skips."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.chromium import ensure_chromium

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    ensure_chromium()
    # Once and before the clock of any test: it may take longer than a test is given.
    subprocess.run([sys.executable, "-m", "agentflow_app.cli.commands", "build"], cwd=ROOT, check=True)
    # Children run elsewhere and are restarted; all write beside each other, and are combined here.
    os.environ["COVERAGE_FILE"] = str(ROOT / ".coverage")
    coverage = [sys.executable, "-m", "coverage"]
    subprocess.run([*coverage, "erase"], cwd=ROOT, check=True)
    # Each of the two has servers of its own; the tests of a file stay together.
    both = ["-n", "2", "--dist", "loadfile", "--durations=30"]
    tests = subprocess.run(
        [*coverage, "run", "-m", "pytest", "--no-skips", *both, *sys.argv[1:]], cwd=ROOT, check=False
    )
    subprocess.run([*coverage, "combine", "-q"], cwd=ROOT, check=True)
    figures = subprocess.run([*coverage, "report"], cwd=ROOT, check=False)
    sys.exit(tests.returncode or figures.returncode)


if __name__ == "__main__":
    main()
