"""JSON Schemas that people write: checked when saved, applied when data comes in, in bounded time."""

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import lru_cache
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from pydantic_core import SchemaError as PatternError
from pydantic_core import SchemaValidator, core_schema
from pydantic_core import ValidationError as Mismatch

from engine.errors import InvalidInputError

MAX_PROBLEMS = 20
MAX_WORK = 50_000
"""Keywords applied to values; half a second's work. References multiply without end otherwise."""

Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]
_work: ContextVar[int] = ContextVar("schema_work")


def check_schema(schema: dict[str, Any]) -> None:
    """Raises ValueError where the schema itself is wrong, or points outside itself."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"not a valid JSON Schema: {error.message}") from error
    except RecursionError as error:
        raise ValueError("the schema is nested too deeply") from error
    _refuse_unusable(schema)


def problems_of(value: Any, schema: dict[str, Any]) -> list[dict[str, str]]:
    """Where the value does not fit: `{path, message}`, the first few.

    Raises InvalidInputError where that cannot be told with MAX_WORK.
    """
    token = _work.set(0)
    try:
        return [
            {"path": "/".join(map(str, error.absolute_path)), "message": error.message[:300]}
            for error in islice(_Validator(schema).iter_errors(value), MAX_PROBLEMS)
        ]
    except RecursionError as error:
        raise InvalidInputError("The trigger's schema refers to itself without end") from error
    finally:
        _work.reset(token)


def check_value(value: Any, schema: dict[str, Any]) -> None:
    """Raises InvalidInputError naming each place that does not fit."""
    problems = problems_of(value, schema)
    if problems:
        first = problems[0]
        where = first["path"] or "the input"
        raise InvalidInputError(
            f"The input does not fit the trigger's schema: {where}: {first['message']}",
            details={"problems": problems},
        )


def _refuse_unusable(schema: Any) -> None:
    if isinstance(schema, dict):
        # A reference to an address would be fetched when the schema is applied.
        for keyword in ("$ref", "$dynamicRef"):
            reference = schema.get(keyword, "#")
            if not (isinstance(reference, str) and reference.startswith("#")):
                raise ValueError(f"a {keyword} may only point into the schema itself, like '#/$defs/name'")
        if isinstance(pattern := schema.get("pattern"), str):
            _compiled(pattern)
        if isinstance(schema.get("patternProperties"), dict):
            raise ValueError("patternProperties is not supported; name the properties")
        for value in schema.values():
            _refuse_unusable(value)
    elif isinstance(schema, list):
        for value in schema:
            _refuse_unusable(value)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> SchemaValidator:
    """A pattern in an engine that needs linear time: Python's own can be made to hang by a short text."""
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except PatternError as error:
        raise ValueError(f"the pattern {pattern!r} is not supported: {error}") from error


def _pattern(validator: Any, pattern: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(value, str):
        try:
            _compiled(pattern).validate_python(value)
        except Mismatch:
            yield ValidationError(f"{value[:100]!r} does not match {pattern!r}")


def _counted(name: str, keyword: Keyword) -> Keyword:
    def apply(validator: Any, given: Any, value: Any, schema: Any) -> Iterator[ValidationError] | None:
        size = len(value) if isinstance(value, list) else 0
        work = _work.get(0) + 1 + (size * size // 1000 if name == "uniqueItems" else 0)
        if name == "enum" and isinstance(given, list):
            work += len(given) // 100
        if work > MAX_WORK:
            raise InvalidInputError("The input takes too long to check against the trigger's schema")
        _work.set(work)
        return keyword(validator, given, value, schema)

    return apply


_Validator = extend(
    Draft202012Validator,
    {
        name: _counted(name, keyword)
        for name, keyword in {**Draft202012Validator.VALIDATORS, "pattern": _pattern}.items()
    },
)
