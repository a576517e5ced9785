"""What may follow `is`. `defined` and `undefined` are the compiler's own, since they look at the path."""

from collections.abc import Callable
from typing import Any

from engine.expressions.values import compare, is_number

PREDICATES: dict[str, Callable[..., bool]] = {
    "none": lambda value: value is None,
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "true": lambda value: value is True,
    "false": lambda value: value is False,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, float),
    "number": is_number,
    "string": lambda value: isinstance(value, str),
    "mapping": lambda value: isinstance(value, dict),
    "sequence": lambda value: isinstance(value, list | str | dict),
    "iterable": lambda value: isinstance(value, list | str | dict),
    "odd": lambda value: value % 2 == 1,
    "even": lambda value: value % 2 == 0,
    "divisibleby": lambda value, number: value % number == 0,
    "lower": lambda value: value.islower(),
    "upper": lambda value: value.isupper(),
}
_NUMERIC = frozenset({"odd", "even", "divisibleby"})
_TEXTUAL = frozenset({"lower", "upper"})
_COMPARISONS = {
    "eq": ("eq", "equalto", "=="),
    "ne": ("ne", "!="),
    "gt": ("gt", "greaterthan", ">"),
    "gteq": ("ge", ">="),
    "lt": ("lt", "lessthan", "<"),
    "lteq": ("le", "<="),
    "in": ("in",),
}


def _comparison(symbol: str) -> Callable[..., bool]:
    return lambda value, other: compare(symbol, value, other)


def _guarded(predicate: Callable[..., bool], fits: Callable[[Any], bool]) -> Callable[..., bool]:
    return lambda value, *args: fits(value) and all(map(fits, args)) and predicate(value, *args)


for _name in _NUMERIC:
    PREDICATES[_name] = _guarded(PREDICATES[_name], is_number)
for _name in _TEXTUAL:
    PREDICATES[_name] = _guarded(PREDICATES[_name], lambda value: isinstance(value, str))
for _symbol, _names in _COMPARISONS.items():
    for _name in _names:
        PREDICATES[_name] = _comparison(_symbol)
