"""How large data is, in bytes of JSON, and how deep."""

import json
from collections.abc import Iterable
from typing import Any

import orjson

MOST_LEVELS = 100
"""Of nesting in what comes from outside: expressions go no deeper."""
MOST_OUTPUT_LEVELS = 200
"""Of what a step puts out, who may have wrapped that; every reader of JSON manages some more."""


def size_of(value: Any) -> int:
    if value is None or isinstance(value, bool | int | float):
        return 8
    try:
        return len(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS))
    except orjson.JSONEncodeError:  # long integers, half surrogate pairs
        return len(json.dumps(value, default=str))


def is_deep(value: Any, most: int = MOST_LEVELS) -> bool:
    """Whether it is nested deeper than so many levels."""
    level = [value]
    for _ in range(most):
        level = [part for item in level for part in _inside(item) if isinstance(part, dict | list | tuple)]
        if not level:
            return False
    return True


def _inside(item: Any) -> Iterable[Any]:
    return item.values() if isinstance(item, dict) else item if isinstance(item, list | tuple) else ()
