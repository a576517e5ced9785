"""JSON for the database and the wire: fast, right for long integers, and always storable.

PostgreSQL refuses NUL characters and half surrogate pairs, which data from outside may hold. Callers are told
so where they can mend it; in what a run produces, such a character becomes U+FFFD.
"""

import json
import math
import re
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

_LONG_NUMBER = re.compile(rb"\d{19}")
_NUL = "\\u0000"


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not JSON")


def dumps(value: Any) -> str:
    text = _encoded(value)
    return text if text is not None and _NUL not in text else _encoded(_storable(value)) or _slowly(value)


def _encoded(value: Any) -> str | None:
    """None for what orjson cannot do: long integers and half surrogate pairs."""
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:
        return None


def _slowly(value: Any) -> str:
    return json.dumps(_storable(value), default=_plain)


def loads(text: str | bytes) -> Any:
    """Raises ValueError, also for what is nested without measure."""
    raw = text.encode() if isinstance(text, str) else text
    if _LONG_NUMBER.search(raw):
        try:
            return json.loads(raw)  # orjson would make it a float
        except RecursionError as error:
            raise ValueError("The JSON is nested too deeply") from error
    return orjson.loads(raw)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return whole.replace("\x00", "\ufffd")
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
