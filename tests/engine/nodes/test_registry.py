import json

import pytest
from jsonschema import Draft202012Validator

from engine.nodes import registry
from engine.nodes.fields import Widget

WIDGETS = set(Widget.__args__)
OURS = {
    "trigger.manual",
    "trigger.webhook",
    "action.set",
    "action.http_request",
    "action.template",
    "logic.if_else",
    "logic.switch",
    "logic.merge",
    "logic.loop",
    "logic.delay",
    "human.approval",
}
CATALOG = {f"{entry['type']}.{entry['subtype']}": entry for entry in registry.catalog()}


def test_every_kind_is_found_by_its_file():
    assert set(CATALOG) >= OURS
    for each in registry.kinds():
        assert type(each).__module__ == f"engine.nodes.{each.type}.{each.subtype}"
        assert registry.kind(each.type, each.subtype) is each
    assert registry.kind("action", "teleport") is None


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_the_catalog_says_all_that_the_builder_draws(name):
    entry = CATALOG[name]
    json.dumps(entry)
    assert entry["label"]
    assert entry["help"].endswith(".")
    assert entry["icon"]
    assert entry["handles"]
    Draft202012Validator.check_schema(entry["config_schema"])
    Draft202012Validator.check_schema(entry["output_schema"])
    assert entry["config_schema"]["additionalProperties"] is False
    for field in entry["config_schema"].get("properties", {}).values():
        assert field["title"]
        assert field["description"]
        assert field["widget"] in WIDGETS


def test_fields_that_take_expressions_say_so():
    delay = CATALOG["logic.delay"]["config_schema"]["properties"]
    assert "expression" in json.dumps(delay["seconds"])
    assert CATALOG["logic.if_else"]["config_schema"]["properties"]["condition"]["type"] == "string"
    assert CATALOG["logic.switch"]["handles_from"] == "cases"
    assert CATALOG["action.http_request"]["side_effect"] is True


def test_changing_the_catalog_changes_nothing_for_others():
    registry.catalog()[0]["label"] = "changed"
    assert registry.catalog()[0]["label"] != "changed"
