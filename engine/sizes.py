"""How large data is, in bytes of JSON, and how deep."""

import json
from collections.abc import Iterable
from typing import Any

import orjson

MOST_LEVELS = 100
"""Of nesting: expressions go no deeper, and every reader of JSON manages more."""


def size_of(value: Any) -> int:
    if value is None or isinstance(value, bool | int | float):
        return 8
    try:
        return len(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS))
    except orjson.JSONEncodeError:  # long integers, half surrogate pairs
        return len(json.dumps(value, default=str))


def is_deep(value: Any) -> bool:
    """Whether it is nested deeper than MOST_LEVELS."""
    level = [value]
    for _ in range(MOST_LEVELS):
        level = [part for item in level for part in _inside(item) if isinstance(part, dict | list | tuple)]
        if not level:
            return False
    return True


def _inside(item: Any) -> Iterable[Any]:
    return item.values() if isinstance(item, dict) else item if isinstance(item, list | tuple) else ()
