"""JSON Schemas that people write: checked when saved, applied when data comes in."""

from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from engine.errors import InvalidInputError

MAX_PROBLEMS = 20


def check_schema(schema: dict[str, Any]) -> None:
    """Raises ValueError where the schema itself is wrong, or points outside itself."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"not a valid JSON Schema: {error.message}") from error
    _refuse_remote(schema)


def check_value(value: Any, schema: dict[str, Any]) -> None:
    """Raises InvalidInputError naming each place that does not fit."""
    problems = [
        {"path": "/".join(map(str, error.absolute_path)), "message": error.message[:300]}
        for error in islice(Draft202012Validator(schema).iter_errors(value), MAX_PROBLEMS)
    ]
    if problems:
        first = problems[0]
        where = first["path"] or "the input"
        raise InvalidInputError(
            f"The input does not fit the trigger's schema: {where}: {first['message']}",
            details={"problems": problems},
        )


def _refuse_remote(schema: Any) -> None:
    # A reference to an address would be fetched when the schema is applied.
    if isinstance(schema, dict):
        reference = schema.get("$ref", "#")
        if not (isinstance(reference, str) and reference.startswith("#")):
            raise ValueError("a $ref may only point into the schema itself, like '#/$defs/name'")
        for value in schema.values():
            _refuse_remote(value)
    elif isinstance(schema, list):
        for value in schema:
            _refuse_remote(value)
