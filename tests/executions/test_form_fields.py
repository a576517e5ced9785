from typing import Any

import pytest

from agentflow_app.executions.forms import WHOLE, data_of, fields_of

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "Your name", "description": "As in the contract"},
        "story": {"type": "string", "maxLength": 5000},
        "age": {"type": "integer", "default": 7},
        "size": {"enum": ["small", 3, None]},
        "agree": {"type": "boolean"},
        "more": {"type": "array"},
    },
    "required": ["name"],
}


def test_each_property_is_a_field() -> None:
    fields = fields_of(SCHEMA)
    assert [(each.name, each.control) for each in fields] == [
        ("name", "text"),
        ("story", "textarea"),
        ("age", "number"),
        ("size", "select"),
        ("agree", "switch"),
        ("more", "json"),
    ]
    assert (fields[0].title, fields[0].description, fields[0].required) == (
        "Your name",
        "As in the contract",
        True,
    )
    assert (fields[1].title, fields[1].required) == ("Story", False)
    assert fields[2].default == "7"
    assert fields[3].options == ["small", "3", "null"]


@pytest.mark.parametrize(
    ("given", "data"),
    [
        ({}, {"agree": False}),
        (
            {"name": "Ada", "age": "36", "size": "3", "agree": "on", "more": "[1]"},
            {"name": "Ada", "age": 36, "size": 3, "agree": True, "more": [1]},
        ),
        (
            {"name": "", "age": "old", "size": "huge", "more": "[1", "else": "x"},
            {"age": "old", "size": "huge", "agree": False, "more": "[1"},
        ),
        ({"name": ["a"], "more": "[" * 5000}, {"agree": False, "more": "[" * 5000}),
        ({"name": "{{ 7 * 7 }}", "size": "null"}, {"name": "{{ 7 * 7 }}", "size": None, "agree": False}),
    ],
    ids=["nothing", "all", "wrong", "hostile", "text"],
)
def test_what_the_texts_stand_for(given: dict[str, Any], data: Any) -> None:
    assert data_of(SCHEMA, given) == data


@pytest.mark.parametrize(
    ("schema", "text", "data"),
    [
        ({}, '{"a": 1}', {"a": 1}),
        ({"type": "string"}, "plain", "plain"),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "object", "properties": "none"}, "{}", {}),
        ({"enum": ["a"]}, "a", "a"),
        ({}, "", None),
    ],
    ids=str,
)
def test_a_schema_without_properties_is_one_field(schema: dict[str, Any], text: str, data: Any) -> None:
    assert [each.name for each in fields_of(schema)] == [WHOLE]
    assert data_of(schema, {WHOLE: text}) == data


def test_properties_that_are_no_schemas_draw_fields_too() -> None:
    assert [each.control for each in fields_of({"properties": {"a": True, "b": {"type": ["string"]}}})] == [
        "json"
    ] * 2
