"""The triggers that differ only in what starts them."""

import pytest

from engine import validate
from engine.testing import run_definition
from tests.engine.graphs import graph, node, put

KINDS = ["manual", "chat", "form", "agent", "error"]
SCHEMA = {"type": "object", "required": ["name"]}


def started_by(kind, **config):
    return graph(node("t", f"trigger.{kind}", config), put("a", {"got": "{{ node_t.output.data }}"}), "t>a")


@pytest.mark.parametrize("kind", KINDS)
async def test_its_data_go_through(kind):
    result = await run_definition(started_by(kind), {"name": "{{ 7 * 7 }}"})
    assert result.output == {"got": {"name": "{{ 7 * 7 }}"}}


@pytest.mark.parametrize("kind", KINDS)
async def test_its_schema_refuses_what_does_not_fit(kind):
    result = await run_definition(started_by(kind, input_schema=SCHEMA), {})
    assert result.error["code"] == "INVALID_INPUT"
    problems = validate(started_by(kind, input_schema={"type": "nothing"}))
    assert [(each.code, each.field) for each in problems] == [("INVALID_CONFIG", "input_schema")]
