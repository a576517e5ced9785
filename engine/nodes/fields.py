"""How a config model declares its fields, so that one model checks the config and draws its form.

A config is checked twice. When it is saved or published its strings may still be expressions: a field
typed `Expr[T]` then takes a `T` or a string with an expression, a `Condition` takes an expression, and
`Text` takes any string. When the step runs, the runner has rendered every string of the config (save
those of verbatim fields) and checks again, now strictly: what arrives as `"{{ … }}"` in somebody's data
is a plain string by then, never an expression.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.functional_validators import BeforeValidator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from engine.expressions import has_expression, to_text

Widget = Literal[
    "text",
    "textarea",
    "expression",
    "condition",
    "number",
    "switch",
    "select",
    "model",
    "credential",
    "mail_server",
    "secret",
    "agent",
    "json",
    "key_value",
    "list",
    "cases",
    "code",
    "duration",
]
Mode = Literal["render", "condition", "verbatim"]

DRAFT = {"draft": True}
"""Validation context for a config whose expressions are not rendered yet."""


class NodeConfig(BaseModel):
    """Base of all config models: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class NodeOutput(BaseModel):
    """Base of all output models; it documents what the next nodes may use."""

    model_config = ConfigDict(extra="forbid")


class _Expression:
    """Lets a draft hold an expression where a `T` is expected."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def check(value: Any, inner: Any, info: ValidationInfo) -> Any:
            if is_draft(info) and isinstance(value, str) and has_expression(value):
                return value
            return inner(value)

        return core_schema.with_info_wrap_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "expression": True}


class _Condition:
    """In a draft an expression, with or without braces; what it came to when the step runs."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def check(value: Any, inner: Any, info: ValidationInfo) -> Any:
            if not is_draft(info):
                return inner(value)
            if isinstance(value, str) and not value.strip():
                raise ValueError("write a condition")
            if not isinstance(value, str | bool):
                raise ValueError("a condition is an expression")
            return value

        return core_schema.with_info_wrap_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "expression": True}


def is_draft(info: ValidationInfo) -> bool:
    return bool(info.context and info.context.get("draft"))


T = TypeVar("T")
Expr = Annotated[T, _Expression()]
"""`Expr[T]`: a `T`, or in a draft a string with an expression that will render to one.

Bounds belong inside, `Expr[Annotated[float, Field(ge=0)]]`: those of `field` would see the expression too.
"""
Text = Annotated[str, BeforeValidator(to_text)]
"""Text; whatever an expression comes to is turned into text."""
Json = Any
"""JSON of any kind. A config is JSON before it is rendered and after, so no value is looked at again."""
Condition = Annotated[bool, _Condition()]


def field(
    title: str,
    description: str,
    *,
    widget: Widget,
    default: Any = ...,
    verbatim: bool = False,
    **constraints: Any,
) -> Any:
    """A config field with what the builder needs to draw it. `verbatim`: its braces are not expressions."""
    extra: dict[str, Any] = {"widget": widget}
    if verbatim:
        extra["verbatim"] = True
    return Field(default, title=title, description=description, json_schema_extra=extra, **constraints)


def modes(config: type[BaseModel]) -> dict[str, Mode]:
    """How the runner treats each top-level field of a config model before it checks it."""
    found: dict[str, Mode] = {}
    for name, info in config.model_fields.items():
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        key = info.alias or name
        if extra.get("verbatim"):
            found[key] = "verbatim"
        elif extra.get("widget") == "condition":
            found[key] = "condition"
        else:
            found[key] = "render"
    return found
