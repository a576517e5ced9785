"""`make load`: drives the API of an installation of its own with Locust; see `locustfile.py`."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.processes import Installation, free_port

LOCUST = [sys.executable, "-m", "uv", "tool", "run", "--from", "locust==2.47.0", "locust"]
"""In an environment of its own: it brings packages that change what ours do."""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="agentflow-load-", ignore_cleanup_errors=True) as folder:
        installation = Installation(Path(folder) / "data", free_port())
        installation.share_builds()
        try:
            installation.start()
            file = Path(__file__).with_name("locustfile.py")
            arguments = ["-f", str(file), "--headless", "--host", installation.url, "--only-summary"]
            driven = subprocess.run([*LOCUST, *arguments], check=False)
        finally:
            installation.stop()
    sys.exit(driven.returncode)


if __name__ == "__main__":
    main()
