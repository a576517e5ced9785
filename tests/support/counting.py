"""The other side of every effect: it remembers what reached it, by idempotency key."""

from collections import Counter, defaultdict
from typing import Any

KEY = "idempotency-key"


class Sink:
    """`/ok/…` does it, `/busy/…` turns the first call of each key away, `/refused/…` each.

    `calls` counts what came, `done` what was done; both by key. A key's calls are the same effect.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.paths: set[str] = set()

    def answer(self, path: str, key: str) -> tuple[int, dict[str, Any]]:
        """The status and the body."""
        self.calls[key] += 1
        self.paths.add(path)
        if path.startswith("/refused/"):
            return 400, {"path": path}
        if path.startswith("/busy/") and self.calls[key] == 1:
            return 429, {"path": path}
        self.done[key] += 1
        return 200, {"path": path}

    def by_run(self) -> dict[str, dict[str, int]]:
        """How often each effect was done, by execution and what follows it in the key."""
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for key, times in self.done.items():
            run, _, place = key.partition(":")
            found[run][place] = times
        return found
