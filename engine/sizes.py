"""How large data is, in bytes of JSON."""

import json
from typing import Any

import orjson


def size_of(value: Any) -> int:
    if value is None or isinstance(value, bool | int | float):
        return 8
    try:
        return len(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS))
    except orjson.JSONEncodeError:  # long integers, half surrogate pairs
        return len(json.dumps(value, default=str))
