from typing import Any

import pytest

from engine.llm.router import ModelRouter
from engine.testing import ScriptedModels, run_definition
from tests.engine.graphs import graph, node
from tests.model_server import ModelServer


def summarize(**config: Any) -> Any:
    return graph(node("short", "ai.summarize", {"input": "{{ trigger.data }}", **config}))


@pytest.mark.parametrize("model", ["gpt-5.4-mini", "claude-sonnet-4-6"])
async def test_it_asks_the_model_with_the_task_and_ones_own_words(
    models: ModelRouter, server: ModelServer, model: str
) -> None:
    definition = summarize(model=model, max_words="{{ 10 + 10 }}", system="For our board.")
    result = await run_definition(definition, "A long story", models=models)
    assert result.status == "completed"
    assert result.output["text"]
    assert (result.output["demo"], result.output["usage"]["input_tokens"] > 0) == (False, True)
    sent = str(server.requests[0].body)
    for part in ("For our board.", "Summarize", "20 words at most", "A long story"):
        assert part in sent


async def test_it_sums_up_without_any_key() -> None:
    text = "The order was late. The order of chairs was late by two weeks and the customer complained. Bye."
    result = await run_definition(summarize(), text, models=ModelRouter())
    assert (result.status, result.output["demo"]) == ("completed", True)
    assert "order" in result.output["text"]


async def test_what_it_says_is_never_evaluated() -> None:
    result = await run_definition(summarize(), "x", models=ScriptedModels("{{ 7 * 7 }}"))
    assert result.output["text"] == "{{ 7 * 7 }}"


@pytest.mark.parametrize(
    "config", [{"input": ""}, {"max_words": 1}, {"max_words": "many"}, {"labels": []}], ids=str
)
async def test_bad_settings_fail_the_step(config: dict[str, Any]) -> None:
    result = await run_definition(summarize(**config), "x")
    assert result.error is not None
    assert result.error["code"] == "INVALID_CONFIG"
