"""What may follow `|`: functions of the rendering's budget, the value and plain arguments, giving plain data.

`default` is the compiler's own, since it covers the path before it.
"""

import html
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from jinja2 import Environment
from jinja2 import filters as jinja

from engine.errors import ExpressionError, ExpressionLimitError, MissingPathError
from engine.expressions.limits import MAX_HEAVY_TEXT, MAX_WIDTH, Budget
from engine.expressions.sequences import SEQUENCE_FILTERS
from engine.expressions.values import bounded_text, checked_number, is_number, items_of, to_text, type_name

_ENVIRONMENT = Environment(autoescape=False)  # noqa: S701 - plain text; it only carries Jinja's policies
_FORMAT = re.compile(r"%(?:%|(?:\((\w+)\))?[-+ 0#]*(\d{0,3})(?:\.(\d{0,2}))?[sdifeEgGxXo])")


def _small(value: Any, limit: int = MAX_WIDTH) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ExpressionError("the width must be a whole number")
    if abs(value) > limit:
        raise ExpressionLimitError(f"the width may be {limit} at most")
    return value


def _heavy(value: Any) -> str:
    text = to_text(value)
    if len(text) > MAX_HEAVY_TEXT:
        raise ExpressionLimitError(f"this filter takes {MAX_HEAVY_TEXT} characters at most")
    return text


def _textual(function: Callable[[str], Any]) -> Callable[..., Any]:
    def apply(budget: Budget, value: Any) -> Any:
        return function(bounded_text(value, budget))

    return apply


def _format(budget: Budget, value: Any, *args: Any, **kwargs: Any) -> str:
    text = to_text(value)
    if args and kwargs:
        raise ExpressionError("format takes values or named values, not both")
    if _FORMAT.sub("", text).count("%"):
        raise ExpressionError("format understands %s %d %f %e %g %x with a small width")
    budget.grow(len(text) + sum(int(found[1] or 0) for found in _FORMAT.findall(text)))

    def plain(each: Any) -> Any:
        return each if is_number(each) else bounded_text(each, budget)

    values: Any = {name: plain(each) for name, each in kwargs.items()} or tuple(map(plain, args))
    return str(text % values)


def _replace(budget: Budget, value: Any, old: Any, new: Any, count: int | None = None) -> str:
    text, before, after = to_text(value), to_text(old), to_text(new)
    found = text.count(before) if before else len(text) + 1
    budget.grow(len(text) + found * max(0, len(after) - len(before)))
    return text.replace(before, after, -1 if count is None else count)


def _join(budget: Budget, value: Any, separator: Any = "", attribute: Any = None) -> str:
    if attribute is not None:
        value = SEQUENCE_FILTERS["map"](budget, value, attribute=attribute)
    parts = [bounded_text(item, budget) for item in items_of(value)]
    between = to_text(separator)
    budget.grow(len(between) * len(parts))
    return between.join(parts)


def _indent(budget: Budget, value: Any, width: Any = 4, first: bool = False, blank: bool = False) -> str:
    text = to_text(value)
    margin = width if isinstance(width, str) else " " * _small(width, 200)
    budget.grow(len(text) + (text.count("\n") + 1) * len(margin))
    return jinja.do_indent(text, margin, first, blank)


def _center(budget: Budget, value: Any, width: Any = 80) -> str:
    text = bounded_text(value, budget)
    budget.grow(_small(width))
    return text.center(width)


def _truncate(
    budget: Budget,
    value: Any,
    length: Any = 255,
    killwords: bool = False,
    end: Any = "...",
    leeway: Any = None,
) -> str:
    text, end = bounded_text(value, budget), to_text(end)
    if not isinstance(length, int) or length < len(end):
        raise ExpressionError(f"truncate: the length must be at least {len(end)}")
    return jinja.do_truncate(_ENVIRONMENT, text, length, killwords, end, leeway)


def _wordwrap(budget: Budget, value: Any, width: Any = 79, break_long_words: bool = True) -> str:
    budget.tick()
    return jinja.do_wordwrap(_ENVIRONMENT, _heavy(value), max(1, _small(width)), break_long_words, "\n")


def _tojson(budget: Budget, value: Any, indent: Any = None) -> str:
    budget.measure(value)
    width = None if indent is None else _small(indent, 8)
    text = json.dumps(value, ensure_ascii=False, indent=width)
    budget.grow(len(text))
    return text


def _fromjson(budget: Budget, value: Any) -> Any:
    try:
        parsed = orjson.loads(bounded_text(value, budget))
    except ValueError as error:
        raise ExpressionError(f"fromjson: this is not JSON: {error}") from None
    budget.measure(parsed)
    return parsed


def _urlencode(budget: Budget, value: Any) -> str:
    budget.measure(value)
    if isinstance(value, dict):
        return urlencode({name: to_text(each) for name, each in value.items()})
    if isinstance(value, list):
        raise ExpressionError("urlencode takes text or an object")
    return quote(to_text(value), safe="/")


def _int(budget: Budget, value: Any, default: Any = 0, base: int = 10) -> Any:
    if isinstance(value, str):
        value = value.strip()[:400]
    try:
        return checked_number(jinja.do_int(value, default, base))
    except OverflowError:
        return default


def _float(budget: Budget, value: Any, default: Any = 0.0) -> Any:
    return checked_number(jinja.do_float(value, default))


def _round(budget: Budget, value: Any, precision: Any = 0, method: Any = "common") -> Any:
    if not is_number(value):
        raise ExpressionError(f"round: {type_name(value)} is not a number")
    return checked_number(jinja.do_round(value, _small(precision, 20), method))


def _abs(budget: Budget, value: Any) -> Any:
    if not is_number(value):
        raise ExpressionError(f"abs: {type_name(value)} is not a number")
    return abs(value)


def _length(budget: Budget, value: Any) -> int:
    return len(items_of(value))


def _split(budget: Budget, value: Any, separator: Any = None) -> list[str]:
    text = bounded_text(value, budget)
    if separator == "":
        raise ExpressionError("split: the separator is empty")
    budget.grow(text.count(separator) if separator else len(text) // 2)
    return text.split(separator)


def _trim(budget: Budget, value: Any, characters: Any = None) -> str:
    return bounded_text(value, budget).strip(characters)


def _filesize(budget: Budget, value: Any, binary: bool = False) -> str:
    return jinja.do_filesizeformat(value, binary)


FILTERS: dict[str, Callable[..., Any]] = {
    "abs": _abs,
    "capitalize": _textual(str.capitalize),
    "center": _center,
    "count": _length,
    "e": _textual(lambda text: html.escape(text, quote=True)),
    "escape": _textual(lambda text: html.escape(text, quote=True)),
    "filesizeformat": _filesize,
    "float": _float,
    "format": _format,
    "fromjson": _fromjson,
    "indent": _indent,
    "int": _int,
    "join": _join,
    "length": _length,
    "lower": _textual(str.lower),
    "replace": _replace,
    "round": _round,
    "split": _split,
    "string": _textual(str),
    "striptags": _textual(lambda text: jinja.do_striptags(_heavy(text))),
    "title": _textual(lambda text: jinja.do_title(_heavy(text))),
    "tojson": _tojson,
    "trim": _trim,
    "truncate": _truncate,
    "upper": _textual(str.upper),
    "urlencode": _urlencode,
    "wordcount": _textual(lambda text: jinja.do_wordcount(text)),
    "wordwrap": _wordwrap,
    **SEQUENCE_FILTERS,
}


def apply_filter(name: str, budget: Budget, value: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """One filter call; whatever goes wrong in it is an ExpressionError that names the filter."""
    budget.tick()
    try:
        return FILTERS[name](budget, value, *args, **kwargs)
    except MissingPathError:
        raise
    except ExpressionLimitError as error:
        raise ExpressionLimitError(f"{name}: {error.message}") from None
    except ExpressionError as error:
        message = error.message
        raise ExpressionError(message if message.startswith(name) else f"{name}: {message}") from None
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise ExpressionError(f"{name}: {error}") from None
