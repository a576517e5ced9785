"""How long a start and a stop take, and the memory of everything together when idle."""

import tempfile
import time
from pathlib import Path

import psutil

from tests.support.processes import Installation, free_port

IDLE_SECONDS = 10


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="agentflow-bench-", ignore_cleanup_errors=True) as folder:
        installation = Installation(Path(folder) / "data", free_port())
        installation.share_builds()
        for label in ("first start (front end built before, if it was)", "second start"):
            began = time.monotonic()
            installation.start()
            print(f"{label:<48} {time.monotonic() - began:6.1f} s")
            if label == "second start":
                time.sleep(IDLE_SECONDS)
                report_memory(installation)
            began = time.monotonic()
            installation.stop()
            print(f"{'stop':<48} {time.monotonic() - began:6.1f} s")


def report_memory(installation: Installation) -> None:
    """PSS: memory that processes share is counted once."""
    assert installation.process is not None
    root = psutil.Process(installation.process.pid)
    total = 0
    for process in (root, *root.children(recursive=True)):
        used = process.memory_full_info().pss
        total += used
        print(f"  {' '.join(process.cmdline())[-46:]:<46} {used / 1e6:6.0f} MB")
    print(f"{'all, idle':<48} {total / 1e6:6.0f} MB")


if __name__ == "__main__":
    main()
