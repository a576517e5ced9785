"""How much one rendering may take, so that no expression can hold a worker or fill its memory."""

import time
from typing import Any

from engine.errors import ExpressionLimitError

MAX_SECONDS = 1.0
"""CPU time of the thread, so that a busy machine fails nobody's template."""
MAX_LOOPS = 100_000
MAX_SIZE = 16 * 1024 * 1024
"""Characters of text and items of lists and objects made by one rendering."""
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

    __slots__ = ("_deadline", "loops", "size")

    def __init__(self, *, seconds: float = MAX_SECONDS, loops: int = MAX_LOOPS, size: int = MAX_SIZE) -> None:
        self._deadline = time.thread_time() + seconds
        self.loops = loops
        self.size = size

    def tick(self) -> None:
        """Once per iteration and filter."""
        self.loops -= 1
        if self.loops < 0:
            raise ExpressionLimitError(f"the expression loops more than {MAX_LOOPS} times")
        if time.thread_time() > self._deadline:
            raise ExpressionLimitError(f"the expression takes longer than {MAX_SECONDS:g} s")

    def grow(self, amount: int) -> None:
        """Before `amount` characters or items are made."""
        self.size -= amount
        if self.size < 0:
            raise ExpressionLimitError("the expression makes too much text or data")

    def measure(self, value: Any, depth: int = 0) -> None:
        """Counts a value as it would be written out: what appears twice counts twice."""
        if isinstance(value, str):
            self.grow(len(value))
        elif isinstance(value, dict | list):
            if depth > MAX_DEPTH:
                raise ExpressionLimitError(f"the expression nests data deeper than {MAX_DEPTH} levels")
            self.grow(1 + len(value))
            if isinstance(value, dict):
                for key, item in value.items():
                    self.grow(len(key))
                    self.measure(item, depth + 1)
            else:
                for item in value:
                    self.measure(item, depth + 1)
