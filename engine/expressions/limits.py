"""How much one rendering may take, so that no expression can hold a worker or fill its memory."""

import time
from typing import Any

from engine.errors import ExpressionLimitError

MAX_SECONDS = 1.0
"""CPU time of the thread, so that a busy machine fails nobody's template."""
MAX_LOOPS = 100_000
MAX_SIZE = 16 * 1024 * 1024
"""Characters of text made by one rendering; an item of a list or an object counts as several."""
ITEM_SIZE = 16
MAX_SOURCE = 256 * 1024
"""Characters of a text that holds expressions."""
MAX_HEAVY_TEXT = 200_000
"""Characters that the filters whose work grows faster than their input accept."""
MAX_NUMBER = 2**63
MAX_RANGE = 100_000
MAX_WIDTH = 10_000
MAX_DEPTH = 100
"""How deep made-up data may nest."""


class Budget:
    """What is left of one rendering's time, loops and size."""

    __slots__ = ("_deadline", "_seconds", "loops", "size")

    def __init__(self, *, seconds: float = MAX_SECONDS, loops: int = MAX_LOOPS, size: int = MAX_SIZE) -> None:
        self._seconds = seconds
        self._deadline: float | None = None
        self.loops = loops
        self.size = size

    def tick(self) -> None:
        """Once per iteration and filter."""
        self.loops -= 1
        if self.loops < 0:
            raise ExpressionLimitError(f"the expression loops more than {MAX_LOOPS} times")
        self.check_time()

    def check_time(self) -> None:
        """The time counts from the first of these: most expressions do nothing that needs one."""
        now = time.thread_time()
        if self._deadline is None:
            self._deadline = now + self._seconds
        if now > self._deadline:
            raise ExpressionLimitError(f"the expression takes longer than {MAX_SECONDS:g} s")

    def grow(self, amount: int) -> None:
        """Before `amount` characters or items are made."""
        self.size -= amount
        if self.size < 0:
            raise ExpressionLimitError("the expression makes too much text or data")

    def measure(self, value: Any) -> None:
        """Counts a value as it would be written out: what appears twice counts twice."""
        if value is None or isinstance(value, int | float):
            return
        level = [value]
        for _ in range(MAX_DEPTH + 1):
            below: list[Any] = []
            for each in level:
                if isinstance(each, str):
                    self.size -= len(each)
                elif isinstance(each, dict):
                    self.grow(ITEM_SIZE * (1 + len(each)) + sum(map(len, each)))
                    below.extend(each.values())
                elif isinstance(each, list):
                    self.grow(ITEM_SIZE * (1 + len(each)))
                    below.extend(each)
            self.grow(0)
            if not below:
                return
            self.check_time()
            level = below
        raise ExpressionLimitError(f"the expression nests data deeper than {MAX_DEPTH} levels")
