"""Forms drawn from JSON Schemas: their fields, and what somebody's answers stand for."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Control = Literal["text", "textarea", "number", "switch", "select", "json"]
MAX_FIELDS = 100
WHOLE = "value"
"""The name of the one field of a schema that describes no object."""
_LONG = 200


@dataclass
class FormField:
    """One field: `options` are the texts of what can be chosen."""

    name: str = ""
    title: str = ""
    description: str = ""
    control: Control = "text"
    required: bool = False
    options: list[str] = field(default_factory=list)
    default: str = ""


def fields_of(schema: Mapping[str, Any]) -> list[FormField]:
    """One field for each property, or one for the whole of what is no object with properties.

    What is required comes first, in the order of `required`: the database keeps no order of properties.
    """
    properties = _properties(schema)
    if not properties:
        return [_field(WHOLE, schema, required=True)]
    required = schema.get("required")
    needed = [name for name in required if name in properties] if isinstance(required, list) else []
    names = dict.fromkeys([*needed, *properties])
    return [_field(name, properties[name], required=name in needed) for name in names]


def data_of(schema: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    """What the texts of a form stand for. What is left empty is left out; checking the rest is for others."""
    properties = _properties(schema)
    if not properties:
        return next((value for _, value in _values({WHOLE: schema}, given)), None)
    return dict(_values(properties, given))


def _properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    found = schema.get("properties")
    if schema.get("type", "object") != "object" or not isinstance(found, dict):
        return {}
    return dict(list(found.items())[:MAX_FIELDS])


def _values(properties: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, part in properties.items():
        answer = given.get(name)
        control = _control(part)
        if control == "switch":
            yield name, bool(answer)
        elif isinstance(answer, str) and answer != "":
            yield name, _value(part, control, answer)


def _value(part: Any, control: Control, answer: str) -> Any:
    if control == "select":
        return next((each for each in part["enum"] if _text(each) == answer), answer)
    if control in ("number", "json"):
        try:
            return json.loads(answer)
        except (ValueError, RecursionError):
            return answer
    return answer


def _field(name: str, part: Any, *, required: bool) -> FormField:
    told = part if isinstance(part, dict) else {}
    title = told.get("title")
    description, default = told.get("description"), told.get("default")
    options = told.get("enum")
    return FormField(
        name=name,
        title=title if isinstance(title, str) else name.replace("_", " ").strip().capitalize() or name,
        description=description if isinstance(description, str) else "",
        control=_control(part),
        required=required,
        options=[_text(each) for each in options] if isinstance(options, list) else [],
        default="" if default is None else _text(default),
    )


def _control(part: Any) -> Control:
    told = part if isinstance(part, dict) else {}
    if isinstance(told.get("enum"), list):
        return "select"
    kind = told.get("type")
    if kind == "boolean":
        return "switch"
    if kind in ("number", "integer"):
        return "number"
    if kind == "string":
        longest = told.get("maxLength")
        return "textarea" if isinstance(longest, int) and longest > _LONG else "text"
    return "json"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
