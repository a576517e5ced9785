from typing import Any

import pytest

from engine.llm.router import ModelRouter
from engine.testing import ScriptedModels, run_definition
from engine.validation import validate
from tests.engine.graphs import graph, node

SCHEMA = {
    "type": "object",
    "properties": {
        "email": {"type": "string", "description": "Where to write to"},
        "seats": {"type": "integer", "minimum": 1},
    },
    "required": ["email"],
    "additionalProperties": False,
}
GOOD = {"email": "ada@example.com", "seats": 5}


def extract(schema: Any = SCHEMA, **config: Any) -> Any:
    full = {"input": "{{ trigger.data }}", "schema": schema, **config}
    return graph(node("find", "ai.extract", full))


async def run(replies: Any, text: str = "I need 5 seats", **config: Any) -> Any:
    models = ScriptedModels({"default": replies})
    return await run_definition(extract(**config), text, models=models), models


async def test_what_was_found_is_in_data_and_as_text() -> None:
    result, models = await run(GOOD, system="You know our forms.")
    assert result.status == "completed"
    assert result.output["data"] == GOOD
    assert result.output["text"] == '{"email": "ada@example.com", "seats": 5}'
    ((_, messages),) = models.calls
    assert "You know our forms." in str(messages)
    assert "I need 5 seats" in str(messages)


async def test_it_finds_things_without_any_key() -> None:
    text = "Hello, I am Ada. Write to ada@example.com: we need 5 seats."
    result = await run_definition(extract(), text, models=ModelRouter())
    assert (result.output["data"]["email"], result.output["demo"]) == ("ada@example.com", True)


@pytest.mark.parametrize(
    "bad",
    [{}, {"email": 1}, {"email": "a", "seats": 0}, {"email": "a", "more": 1}, "no JSON"],
    ids=["missing", "type", "bounds", "extra", "text"],
)
async def test_an_answer_that_does_not_fit_is_repaired_once(bad: Any) -> None:
    result, models = await run([bad, GOOD])
    assert result.output["data"] == GOOD
    assert len(models.calls) == 2
    failed, models = await run([bad, bad])
    assert (failed.status, len(models.calls)) == ("failed", 2)
    assert failed.error["code"] == "BROKEN_ANSWER"


async def test_what_is_found_is_data_and_never_evaluated() -> None:
    result, _ = await run({"email": "{{ 7 * 7 }}"})
    assert result.output["data"] == {"email": "{{ 7 * 7 }}"}


@pytest.mark.parametrize(
    "schema",
    [{"type": "array"}, {"type": "nothing"}, {"$ref": "https://example.com/x"}, "text", None],
    ids=str,
)
def test_a_schema_that_does_not_work_is_told_before(schema: Any) -> None:
    problems = [each for each in validate(extract(schema)) if each.severity == "error"]
    assert [(each.code, each.field) for each in problems] == [("INVALID_CONFIG", "schema")]
