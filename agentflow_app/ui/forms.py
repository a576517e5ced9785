"""What a form sent, as the schema that the service takes; and what is wrong with it, in a sentence."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agentflow_app.core.errors import AppError, ValidationFailed

Model = TypeVar("Model", bound=BaseModel)


def read_form(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Raises ValidationFailed, naming the fields."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        fields = {
            str(found["loc"][0]) if found["loc"] else "form": found["msg"].removeprefix("Value error, ")
            for found in error.errors()
        }
        raise ValidationFailed(fields=fields) from error


def text_of(form: object, name: str) -> str:
    """A field of what the browser sent, which may be anything."""
    value = form.get(name) if isinstance(form, Mapping) else None
    return value.strip() if isinstance(value, str) else ""


def problem(error: AppError) -> str:
    """The first field's problem, or the whole message."""
    fields = error.details.get("fields") if isinstance(error.details, dict) else None
    if isinstance(fields, dict) and fields:
        name, text = next(iter(fields.items()))
        label = str(name).partition(".")[0].replace("_", " ").capitalize()
        sentence = str(text)
        return f"{label}: {sentence[:1].lower()}{sentence[1:]}"
    return error.message
