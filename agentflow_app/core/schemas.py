"""What every schema of the API shares."""

import math
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any

from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    PlainSerializer,
    StringConstraints,
    model_validator,
)

from agentflow_app.core.errors import AppError
from engine.events import money

MAX_DEPTH = 100
"""Levels of nesting; the database and every reader of JSON manage more than that."""
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class InvalidJson(AppError):  # noqa: N818
    """JSON that PostgreSQL cannot hold, or that is no JSON at all."""

    code = "VALIDATION_ERROR"
    status = 422


def storable_json(value: Any, field: str) -> Any:
    """`value` itself, if Postgres can hold it. Raises InvalidJson, naming the field."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [part for item in level for part in _parts(item, field)]
        if not level:
            return value
    raise _refused(field, f"is nested deeper than {MAX_DEPTH} levels")


def _parts(item: Any, field: str) -> Iterable[Any]:
    if isinstance(item, str):
        if _UNSTORABLE.search(item):
            raise _refused(field, "contains a NUL character or half a surrogate pair")
    elif isinstance(item, dict):
        return (*item.keys(), *item.values())
    elif isinstance(item, list):
        return item
    elif isinstance(item, float) and not math.isfinite(item):
        raise _refused(field, "contains a number that JSON cannot hold")
    return ()


def _refused(field: str, problem: str) -> InvalidJson:
    return InvalidJson(f"{field} {problem}", details={"fields": {field: problem}})


class Storable(BaseModel):
    """Input of which every string, however deep, can be stored."""

    @model_validator(mode="before")
    @classmethod
    def _all_storable(cls, given: Any) -> Any:
        if isinstance(given, dict):
            for name, value in given.items():
                shown = _UNSTORABLE.sub("\ufffd", name) if isinstance(name, str) else str(name)
                storable_json([name, value], shown)
        return given


class Input(Storable):
    """A body. What it does not know is an error, so nothing is assigned by accident."""

    model_config = ConfigDict(extra="forbid")


class Output(BaseModel):
    model_config = ConfigDict(from_attributes=True)


def _email(value: str) -> str:
    try:
        found = validate_email(value, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise ValueError("is not an e-mail address") from error
    return found.normalized.lower()


def parse_email(value: object) -> str | None:
    """An address from elsewhere as `Email` would keep it; None where it is none."""
    if not isinstance(value, str) or len(value) > 255 or _UNSTORABLE.search(value):
        return None
    try:
        return _email(value)
    except ValueError:
        return None


def address_of(text: str) -> str:
    """What somebody typed as the address of an account, as `Email` keeps it: however it was written."""
    typed = text.strip()
    return parse_email(typed) or typed.lower()


Money = Annotated[Decimal, PlainSerializer(money, return_type=str, when_used="json")]
Email = Annotated[str, StringConstraints(max_length=255), AfterValidator(_email)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
