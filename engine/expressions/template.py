"""Compiled texts and conditions, and rendering of whole configs."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from engine.errors import ExpressionError
from engine.expressions.compiler import Frame, Value, compile_value, path_of
from engine.expressions.limits import Budget
from engine.expressions.statements import Statement, compile_body
from engine.expressions.syntax import has_expression, parse, parse_condition, whole_expression

CACHED = 4096
CACHED_LARGE = 64
LARGE = 8 * 1024
"""Characters from which on a text is kept in the smaller cache."""


class Template:
    """A compiled text. Whole expressions keep their type."""

    __slots__ = ("_body", "_value", "path")

    def __init__(self, text: str) -> None:
        tree = parse(text)
        whole = whole_expression(tree)
        self.path = path_of(whole) if whole is not None else None
        """Root and keys, where the text is a path and nothing else, so that it comes to what lies there."""
        try:
            self._value: Value | None = compile_value(whole) if whole is not None else None
            self._body: Statement | None = compile_body(tree.body) if whole is None else None
        except RecursionError:
            raise ExpressionError("the expression nests too deep") from None

    @property
    def keeps_type(self) -> bool:
        """Whether it is one whole expression."""
        return self._value is not None

    def render(self, scope: Mapping[str, Any], budget: Budget | None = None) -> Any:
        frame = Frame(scope, budget or Budget())
        try:
            if self._value is not None:
                return self._value(frame)
            assert self._body is not None
            out: list[str] = []
            self._body(frame, out)
            return "".join(out)
        except RecursionError:
            raise ExpressionError("the expression nests too deep") from None


class Condition:
    """A compiled condition, truthy as in Python."""

    __slots__ = ("_value",)

    def __init__(self, text: str) -> None:
        expression = parse_condition(text)
        try:
            self._value = compile_value(expression)
        except RecursionError:
            raise ExpressionError("the expression nests too deep") from None

    def holds(self, scope: Mapping[str, Any], budget: Budget | None = None) -> bool:
        try:
            return bool(self._value(Frame(scope, budget or Budget())))
        except RecursionError:
            raise ExpressionError("the expression nests too deep") from None


_small = lru_cache(maxsize=CACHED)(Template)
_large = lru_cache(maxsize=CACHED_LARGE)(Template)


def compile_template(text: str) -> Template:
    """Raises ExpressionError where the text is no valid template."""
    return _small(text) if len(text) < LARGE else _large(text)


@lru_cache(maxsize=CACHED)
def compile_condition(text: str) -> Condition:
    """Raises ExpressionError where the text is not one expression; its braces may be left out."""
    return Condition(text)


def render(value: Any, scope: Mapping[str, Any], *, budget: Budget | None = None, field: str = "") -> Any:
    """The value with every string in it rendered. What the expressions come to is not looked into again.

    Errors name the field in their details, like `values.items[0]`.
    """
    try:
        return _rendered(value, scope, budget or Budget())
    except ExpressionError as error:
        raise in_field(error, field) from None


def _rendered(value: Any, scope: Mapping[str, Any], budget: Budget) -> Any:
    if isinstance(value, str):
        if not has_expression(value):
            return value
        result = compile_template(value).render(scope, budget)
        # Counted as written out: the same data may be named a thousand times.
        budget.measure(result)
        return result
    if isinstance(value, dict):
        found = {}
        for key, item in value.items():
            try:
                found[key] = _rendered(item, scope, budget)
            except ExpressionError as error:
                raise in_field(error, f".{key}") from None
        return found
    if isinstance(value, list):
        items = []
        for index, item in enumerate(value):
            try:
                items.append(_rendered(item, scope, budget))
            except ExpressionError as error:
                raise in_field(error, f"[{index}]") from None
        return items
    return value


def in_field(error: ExpressionError, field: str) -> ExpressionError:
    """The same error, saying in which field, or in which part of the field that it names already."""
    within = f"{field}{error.details.get('field', '')}".removeprefix("." if not field else "")
    return type(error)(error.message, details={**error.details, "field": within})
