"""Which failures are tried again, and how long to wait before."""

import random
from collections.abc import Callable

from engine.definition import Node, Retry
from engine.errors import EngineError
from engine.settings import RunSettings

LONGEST_RETRY_AFTER = 86_400.0
"""Seconds; what the other side asks for beyond this is not waited for."""

Jitter = Callable[[float], float]
"""Seconds, at most the given ones."""


def full_jitter(longest: float) -> float:
    return random.uniform(0, longest)  # noqa: S311 - it spreads load, it guards nothing


def policy(node: Node, settings: RunSettings) -> Retry:
    return node.retry or Retry(max_retries=settings.max_retries)


def pause(retry: Retry, attempt: int, error: EngineError, jitter: Jitter) -> float | None:
    """Seconds to wait after the given attempt (from 1) failed; None: don't try again."""
    if not error.retryable or attempt > retry.max_retries:
        return None
    longest = min(retry.backoff_max, retry.backoff_base * 2.0 ** min(attempt - 1, 30))
    asked = error.retry_after or 0.0
    return max(jitter(longest), asked) if asked <= LONGEST_RETRY_AFTER else None
