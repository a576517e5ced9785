"""Plain data as expressions see it: key lookup, text, arithmetic. No attribute of an object is ever read."""

import json
import math
import operator
from collections.abc import Callable
from typing import Any

from engine.errors import ExpressionError, ExpressionLimitError
from engine.expressions.limits import MAX_NUMBER, Budget

Key = str | int


class Missing:
    """What a lookup finds where there is nothing."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = Missing()


class DryOutput(dict[str, Any]):
    """The output of a node that did nothing in a dry run: what is missing in it is null."""


def lookup(value: Any, key: Any) -> Any:
    """The value under a key or index, or MISSING."""
    if isinstance(value, dict):
        if isinstance(key, str | int | float):
            return value.get(key, MISSING)
        return MISSING
    if not isinstance(value, list | str) or not isinstance(key, int) or isinstance(key, bool):
        return MISSING
    return value[key] if -len(value) <= key < len(value) else MISSING


def path_text(root: str, keys: tuple[Key, ...]) -> str:
    """`node_a.output.items[0]`."""
    return root + "".join(f".{key}" if isinstance(key, str) else f"[{key}]" for key in keys)


def type_name(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "an object" if isinstance(value, dict) else "a list"


def to_text(value: Any) -> str:
    """Text of a value: text as it is, null as nothing, everything else as JSON writes it."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False)


def bounded_text(value: Any, budget: Budget) -> str:
    budget.measure(value)
    return to_text(value)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def checked_number(value: Any) -> Any:
    """A number that JSON can hold."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ExpressionError("the result is not a finite number")
    if isinstance(value, int) and abs(value) >= MAX_NUMBER:
        raise ExpressionLimitError("the result is too large a number")
    return value


def items_of(value: Any) -> list[Any]:
    """What a loop over the value goes through."""
    if isinstance(value, list):
        return value
    if isinstance(value, str | dict):
        return list(value)
    raise ExpressionError(f"{type_name(value)} cannot be looped over")


def add(left: Any, right: Any, budget: Budget) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        budget.grow(len(left) + len(right))
        return left + right
    if isinstance(left, list) and isinstance(right, list):
        budget.grow(len(left) + len(right))
        return left + right
    return arithmetic("+", left, right)


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}


def arithmetic(symbol: str, left: Any, right: Any) -> Any:
    """Numbers only: text and lists cannot be multiplied or used as formats."""
    if not (is_number(left) and is_number(right)):
        raise ExpressionError(f"{type_name(left)} {symbol} {type_name(right)} does not work; convert first")
    if symbol == "**" and (abs(right) > 64 or abs(left) > MAX_NUMBER):
        raise ExpressionLimitError("the exponent is too large")
    try:
        result = _OPERATORS[symbol](left, right)
    except ZeroDivisionError:
        raise ExpressionError("division by zero") from None
    except OverflowError:
        raise ExpressionLimitError("the result is too large a number") from None
    if isinstance(result, complex):
        raise ExpressionError("the result is not a real number")
    return checked_number(result)


_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gteq": operator.ge,
    "lt": operator.lt,
    "lteq": operator.le,
}


def compare(symbol: str, left: Any, right: Any) -> bool:
    if symbol == "eq":
        return bool(left == right)
    if symbol == "ne":
        return bool(left != right)
    try:
        if symbol == "in":
            return left in right
        if symbol == "notin":
            return left not in right
        return _ORDERINGS[symbol](left, right)
    except TypeError:
        raise ExpressionError(f"{type_name(left)} cannot be compared with {type_name(right)}") from None
