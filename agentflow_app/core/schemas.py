"""What every schema of the API shares."""

from decimal import Decimal
from typing import Annotated, Any

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer, StringConstraints

from agentflow_app.core.errors import AppError


class Input(BaseModel):
    """A body. What it does not know is an error, so nothing is assigned by accident."""

    model_config = ConfigDict(extra="forbid")


class Output(BaseModel):
    model_config = ConfigDict(from_attributes=True)


def money(amount: Decimal) -> str:
    """USD as plain digits: `0`, `0.0031`."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _email(value: str) -> str:
    try:
        found = validate_email(value, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise ValueError("is not an e-mail address") from error
    return found.normalized.lower()


def _storable(value: str) -> str:
    if "\x00" in value:
        raise ValueError("contains a NUL character")
    return value


Money = Annotated[Decimal, PlainSerializer(money, return_type=str, when_used="json")]
Email = Annotated[str, StringConstraints(max_length=255), AfterValidator(_email)]
Text = Annotated[str, AfterValidator(_storable)]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255), AfterValidator(_storable)
]


class InvalidJson(AppError):  # noqa: N818
    """Postgres' JSONB and UTF-8 take everything but NUL and half surrogates."""

    code = "VALIDATION_ERROR"
    status = 422


def storable_json(value: Any, field: str) -> Any:
    """`value` itself, if Postgres can hold it."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if "\x00" in item or any("\ud800" <= char <= "\udfff" for char in item):
                raise InvalidJson(
                    f"{field} holds a character that cannot be stored",
                    details={"fields": {field: "contains a NUL character or half a surrogate pair"}},
                )
        elif isinstance(item, dict):
            stack.extend(item.keys())
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return value
