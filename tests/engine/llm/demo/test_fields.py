from typing import Any

import pytest

from engine.llm.demo.fields import filled

MAIL = (
    "Hello, my name is Ada Lovelace from Analytical Engines. We need 50 seats by 2026-12-01 and have a "
    "budget of 20k. The trial is not urgent.\nPhone: +44 20 7946 0958\nWrite to ada@engines.example or see "
    "https://engines.example/seats."
)


@pytest.mark.parametrize(
    ("name", "schema", "value"),
    [
        ("email", {"type": "string"}, "ada@engines.example"),
        ("contact", {"type": "string", "format": "email"}, "ada@engines.example"),
        ("website", {"type": "string"}, "https://engines.example/seats"),
        ("phone", {"type": "string"}, "+44 20 7946 0958"),
        ("start_date", {"type": "string"}, "2026-12-01"),
        ("due", {"type": "string", "format": "date"}, "2026-12-01"),
        ("name", {"type": "string"}, "Ada Lovelace"),
        ("company", {"type": "string"}, "Analytical Engines"),
        ("seats", {"type": "integer"}, 50),
        ("budget", {"type": "number"}, 20_000),
        ("urgent", {"type": "boolean"}, False),
        ("seats_needed", {"type": "boolean"}, True),
        ("kind", {"const": "lead"}, "lead"),
        ("temperature", {"enum": ["hot", "cold"]}, "hot"),
        (
            "emails",
            {"type": "array", "items": {"type": "string", "format": "email"}},
            ["ada@engines.example"],
        ),
        ("topics", {"type": "array", "items": {"enum": ["budget", "weather"]}}, ["budget"]),
        ("fax", {"type": ["string", "null"], "description": "colour"}, "+44 20 7946 0958"),
        ("colour", {"type": ["string", "null"]}, None),
        ("colour", {"anyOf": [{"type": "string"}, {"type": "null"}]}, None),
        ("colour", {"type": "string"}, ""),
        ("ripe", {"type": "boolean"}, False),
    ],
)
def test_values_are_found_in_the_text(name: str, schema: dict[str, Any], value: Any) -> None:
    assert filled(schema, MAIL, name=name) == value


def test_objects_are_filled_field_by_field() -> None:
    schema = {
        "type": "object",
        "properties": {
            "seats": {"type": "integer"},
            "contact": {
                "type": "object",
                "properties": {"email": {"type": "string"}, "name": {"type": "string"}},
            },
        },
    }
    assert filled(schema, MAIL) == {
        "seats": 50,
        "contact": {"email": "ada@engines.example", "name": "Ada Lovelace"},
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("31.12.2026", "2026-12-31"),
        ("12/31/2026", "2026-12-31"),
        ("05/06/2026", "2026-06-05"),
        ("99.99.2026", None),
    ],
)
def test_dates_are_given_as_iso(text: str, value: str | None) -> None:
    assert filled({"type": ["string", "null"], "format": "date"}, f"until {text}") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("1,250 units", 1250), ("about -3.5 degrees", -3.5), ("2m users", 2_000_000), ("none", 0)],
)
def test_numbers_are_read_as_people_write_them(text: str, value: float) -> None:
    assert filled({"type": "number"}, text) == value


def test_a_labelled_line_wins() -> None:
    assert filled({"type": "string"}, "Order id: A-77\nOther: x", name="order_id") == "A-77"


def test_lists_keep_to_their_limit() -> None:
    schema = {"type": "array", "items": {"type": "integer"}, "maxItems": 2}
    assert filled(schema, "1 2 3") == [1, 2]


def test_references_are_followed() -> None:
    schema = {
        "type": "object",
        "properties": {
            "contact": {"$ref": "#/$defs/Contact"},
            "maybe": {"anyOf": [{"$ref": "#/$defs/Contact"}, {"type": "null"}]},
        },
        "$defs": {"Contact": {"type": "object", "properties": {"email": {"type": "string"}}}},
    }
    contact = {"email": "ada@engines.example"}
    assert filled(schema, MAIL) == {"contact": contact, "maybe": contact}
    assert filled({"$ref": "#"}, MAIL) == ""


def test_a_schema_that_holds_itself_ends() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    schema["properties"]["child"] = schema
    schema["properties"]["children"] = {"type": "array", "items": schema}
    assert filled(schema, "A sentence. Another one.")
