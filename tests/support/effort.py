"""How long the searching tests search: a little in `make test`, thoroughly in `make chaos`."""

import os
import random

THOROUGH = os.environ.get("THOROUGH") == "1"
SEED = int(os.environ.get("SEED", "1"))


def some(points: int, most: int, salt: str = "") -> list[int]:
    """Numbers from 1 to `points`: all of them where it is to be thorough, else so many by the seed."""
    every = range(1, points + 1)
    if THOROUGH or points <= most:
        return list(every)
    return sorted(random.Random(f"{SEED}{salt}").sample(every, most))
