"""How much of everything one run of the chaos has, from the environment."""

import os
import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """`redis` and `postgres` are faults of each: flushes and crashes in turn, crash restarts."""

    runs: int
    kills: int
    redis: int
    postgres: int
    seed: int
    workers: int
    at_once: int
    """Runs that may be under way."""


def size() -> Size:
    def number(name: str, default: int) -> int:
        return int(os.environ.get(name) or default)

    return Size(
        runs=number("RUNS", 2000),
        kills=number("KILLS", 100),
        redis=number("REDIS", 20),
        postgres=number("POSTGRES", 20),
        seed=number("SEED", random.randrange(1_000_000)),
        workers=number("WORKERS", 3),
        at_once=number("AT_ONCE", 150),
    )
