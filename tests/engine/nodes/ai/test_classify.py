from typing import Any

import pytest

from engine.llm.router import ModelRouter
from engine.testing import ScriptedModels, run_definition
from engine.validation import validate
from tests.engine.graphs import graph, node
from tests.model_server import ModelServer

MODELS = ["gpt-5.4-mini", "claude-sonnet-4-6"]


def classify(config: dict[str, Any] | None = None, **more: Any) -> Any:
    full = {"input": "{{ trigger.data.message }}", "labels": ["hot", "cold"], **(config or {})}
    return graph(node("sort", "ai.classify", full, **more))


@pytest.mark.parametrize(
    ("message", "label"),
    [("We need pricing for 50 seats by Friday", "hot"), ("Thanks, just browsing", "cold")],
)
async def test_it_sorts_leads_without_any_key(message: str, label: str) -> None:
    result = await run_definition(classify(), {"message": message}, models=ModelRouter())
    assert result.status == "completed"
    output = result.output
    assert (output["label"], output["text"], output["demo"]) == (label, label, True)
    assert 0.5 < output["confidence"] < 1
    assert output["usage"]["input_tokens"] > 0


@pytest.mark.parametrize("model", MODELS)
async def test_it_asks_the_model_for_one_of_the_labels(
    models: ModelRouter, server: ModelServer, model: str
) -> None:
    labels = [{"name": "hot", "description": "wants to buy"}, "cold"]
    definition = classify({"model": model, "labels": labels, "system": "You know our customers."})
    result = await run_definition(definition, {"message": "it is cold"}, models=models)
    assert result.status == "completed"
    assert (result.output["label"], result.output["confidence"], result.output["demo"]) == (
        "cold",
        0.9,
        False,
    )
    sent = str(server.requests[0].body)
    assert "- hot: wants to buy" in sent
    assert "You know our customers." in sent
    assert "['hot', 'cold']" in sent


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("behaviour", ["bad-label", "bad-confidence", "broken-json", "blank"])
async def test_an_answer_beside_the_labels_is_repaired_once(
    models: ModelRouter, server: ModelServer, model: str, behaviour: str
) -> None:
    data = {"message": "it is cold"}
    result = await run_definition(classify({"model": f"{model}--{behaviour}-once"}), data, models=models)
    assert result.output["label"] in ("hot", "cold")
    assert result.steps[0].attempt == 1
    server.reset()
    result = await run_definition(classify({"model": f"{model}--{behaviour}"}), data, models=models)
    assert result.status == "failed"
    assert result.error is not None
    assert result.error["code"] == "BROKEN_ANSWER"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ({"label": "HOT", "confidence": 1}, "hot"),
        ({"label": " cold ", "confidence": 0.0}, "cold"),
    ],
)
async def test_the_label_is_always_one_of_those_given(reply: dict[str, Any], label: str) -> None:
    result = await run_definition(classify(), {"message": "x"}, models=ScriptedModels({"default": reply}))
    assert result.output["label"] == label
    assert isinstance(result.output["confidence"], float)


@pytest.mark.parametrize(
    "reply",
    [
        {"label": "warm", "confidence": 0.5},
        {"label": "hot"},
        {"label": "hot", "confidence": "high"},
        {"label": "hot", "confidence": True},
        {"label": "hot", "confidence": -0.1},
        {"confidence": 0.5},
        "hot",
    ],
)
async def test_what_is_no_answer_is_an_error(reply: Any) -> None:
    models = ScriptedModels({"default": reply})
    result = await run_definition(classify(), {"message": "x"}, models=models)
    assert result.error is not None
    assert result.error["code"] == "BROKEN_ANSWER"
    assert len(models.calls) == 2


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"labels": []}, "labels"),
        ({"labels": ["hot"]}, "labels"),
        ({"labels": ["hot", "Hot "]}, "labels"),
        ({"labels": ["hot", {"name": "hot"}]}, "labels"),
        ({"labels": ["hot", ""]}, "labels"),
        ({"labels": ["hot", {"name": "cold", "colour": "blue"}]}, "labels"),
        ({"labels": [f"l{number}" for number in range(101)]}, "labels"),
        ({"labels": "hot"}, "labels"),
        ({"input": ""}, "input"),
    ],
)
def test_a_bad_config_names_the_field(config: dict[str, Any], field: str) -> None:
    problems = [each for each in validate(classify(config)) if each.severity == "error"]
    assert problems
    assert all(str(problem.field).startswith(field) for problem in problems)


async def test_a_label_is_no_expression() -> None:
    definition = classify({"labels": ["{{ trigger.data.message }}", "other"]})
    result = await run_definition(definition, {"message": "nothing"}, models=ModelRouter())
    assert result.output["label"] in ("{{ trigger.data.message }}", "other")
