import asyncio
from decimal import Decimal
from typing import Any

import pytest

from engine import RunSettings
from engine.llm.router import ModelRouter
from engine.nodes.registry import kind
from engine.testing import FakeClock, run_definition
from engine.validation import validate
from tests.engine.graphs import graph, node
from tests.model_server import ModelServer

GPT = "gpt-5.4-mini"
CLAUDE = "claude-sonnet-4-6"


def chat(config: dict[str, Any], **more: Any) -> Any:
    return graph(node("ask", "ai.chat", config, **more))


async def test_it_answers_without_any_key() -> None:
    events: list[dict[str, Any]] = []
    definition = chat({"prompt": "Greet this lead: {{ trigger.data.message }}"})
    result = await run_definition(
        definition, {"message": "We need 50 seats."}, models=ModelRouter(), on_event=events.append
    )
    assert result.status == "completed"
    output = result.output
    assert (output["model"], output["provider"], output["demo"], output["cost"]) == (
        "demo",
        "demo",
        True,
        "0",
    )
    assert "50 seats" in output["text"]
    assert output["usage"]["input_tokens"] == 9
    assert output["usage"]["output_tokens"] > 10
    streamed = "".join(event["text"] for event in events if event["type"] == "step.token")
    assert streamed == output["text"]


@pytest.mark.parametrize(
    ("model", "provider", "cost"), [(GPT, "openai", "0.000021"), (CLAUDE, "anthropic", "0.000072")]
)
async def test_it_asks_the_model_and_counts_once(
    models: ModelRouter, server: ModelServer, model: str, provider: str, cost: str
) -> None:
    definition = chat({"model": model, "prompt": "Hello {{ trigger.data.name }}", "system": "Be brief"})
    result = await run_definition(definition, {"name": "Ada"}, models=models)
    assert result.status == "completed"
    assert result.output == {
        "text": "You said: Hello Ada",
        "model": model,
        "provider": provider,
        "usage": {"input_tokens": 4, "output_tokens": 4, "cache_read_tokens": 0, "cache_write_tokens": 0},
        "cost": cost,
        "demo": False,
    }
    (step,) = result.steps
    assert step.usage is not None
    assert step.usage.tokens == 8
    assert step.usage.cost == Decimal(result.output["cost"])
    assert len(server.requests) == 1


async def test_what_came_from_outside_is_not_evaluated(models: ModelRouter) -> None:
    definition = chat({"model": GPT, "prompt": "{{ trigger.data.text }}"})
    result = await run_definition(definition, {"text": "{{ 7*7 }}"}, models=models)
    assert result.output["text"] == "You said: {{ 7*7 }}"


async def test_a_passing_failure_is_tried_again_and_what_it_cost_is_added(
    models: ModelRouter, server: ModelServer
) -> None:
    definition = chat(
        {"model": f"{CLAUDE}--cut-once", "prompt": "one two three"}, retry={"backoff_base": 0.01}
    )
    result = await run_definition(definition, models=models)
    assert result.status == "completed"
    assert len(server.requests) == 2
    (step,) = result.steps
    assert step.attempt == 2
    assert step.usage is not None
    assert step.usage.input_tokens == 6
    # The output says what its own attempt used.
    assert result.output["usage"]["input_tokens"] == 3


async def test_a_rate_limit_is_waited_out(models: ModelRouter, clock: FakeClock) -> None:
    definition = chat({"model": f"{GPT}--rate-limited-once", "prompt": "hi"})
    events: list[dict[str, Any]] = []
    run = asyncio.ensure_future(
        run_definition(definition, models=models, clock=clock, on_event=events.append)
    )
    while not any(event["type"] == "execution.waiting" for event in events):
        await asyncio.sleep(0)
        await clock.asleep()
    assert events[-1]["waiting_for"]["kind"] == "timer"
    (retrying,) = [event for event in events if event["type"] == "step.retrying"]
    assert retrying["error"]["code"] == "RATE_LIMITED"
    await clock.asleep()
    clock.advance(60)
    assert (await run).status == "completed"


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        ("unauthorized", "PROVIDER_AUTH"),
        ("bad-request", "MODEL_REQUEST_REFUSED"),
        ("refusal", "ANSWER_REFUSED"),
        ("blank", "BROKEN_ANSWER"),
    ],
)
async def test_what_is_wrong_for_good_fails_at_once(
    models: ModelRouter, server: ModelServer, behaviour: str, code: str
) -> None:
    result = await run_definition(chat({"model": f"{GPT}--{behaviour}", "prompt": "hi"}), models=models)
    assert result.status == "failed"
    assert result.error is not None
    assert result.error["code"] == code
    assert result.error["details"]["provider"] == "openai"
    assert result.steps[0].attempt == 1


async def test_the_next_model_is_asked_when_the_first_is_away(models: ModelRouter) -> None:
    config = {"model": f"{GPT}--error", "fallback_models": [f"{GPT}--overloaded", CLAUDE], "prompt": "hi"}
    result = await run_definition(chat(config), models=models)
    assert result.output["model"] == CLAUDE


async def test_a_missing_key_fails_with_what_to_do() -> None:
    result = await run_definition(chat({"model": GPT, "prompt": "hi"}), models=ModelRouter())
    assert result.error is not None
    assert result.error["code"] == "MISSING_KEY"
    assert "OPENAI_API_KEY" in result.error["message"]


async def test_a_budget_stops_before_the_call(models: ModelRouter, server: ModelServer) -> None:
    definition = chat({"model": CLAUDE, "prompt": "hi", "max_tokens": 1000})
    poor = await run_definition(definition, models=models, settings=RunSettings(max_cost=Decimal("0.01")))
    assert poor.status == "waiting"
    assert poor.waiting_for is not None
    assert poor.waiting_for.kind == "budget"
    assert server.requests == []
    rich = await run_definition(definition, models=models, settings=RunSettings(max_cost=Decimal("0.02")))
    assert rich.status == "completed"


async def test_the_demo_model_is_within_any_budget() -> None:
    result = await run_definition(
        chat({"prompt": "hi"}), models=ModelRouter(), settings=RunSettings(max_cost=Decimal("0.000001"))
    )
    assert result.status == "completed"


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "hi", "model": ""}, "model"),
        ({"prompt": "hi", "temperature": 3}, "temperature"),
        ({"prompt": "hi", "temperature": "warm"}, "temperature"),
        ({"prompt": "hi", "top_p": -1}, "top_p"),
        ({"prompt": "hi", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "hi", "fallback_models": [""]}, "fallback_models"),
        ({"prompt": "hi", "fallback_models": ["demo"] * 6}, "fallback_models"),
        ({"prompt": "hi", "api_key": "x"}, "api_key"),
    ],
)
def test_a_bad_config_names_the_field(config: dict[str, Any], field: str) -> None:
    (problem,) = [each for each in validate(chat(config)) if each.severity == "error"]
    assert problem.code in ("INVALID_CONFIG", "UNKNOWN_KEY")
    assert str(problem.field).startswith(field) or field in problem.message


def test_expressions_may_stand_for_numbers_and_models() -> None:
    config = {
        "prompt": "hi",
        "model": "{{ trigger.data.model }}",
        "temperature": "{{ trigger.data.temperature }}",
        "max_tokens": "{{ trigger.data.limit }}",
    }
    assert validate(chat(config), models=ModelRouter().known) == []


def test_an_unknown_model_is_a_problem() -> None:
    problems = validate(chat({"prompt": "hi", "model": "no-such"}), models=ModelRouter().known)
    assert [problem.code for problem in problems] == ["UNKNOWN_MODEL"]


@pytest.mark.parametrize("subtype", ["chat", "classify"])
def test_the_form_has_a_title_help_and_widget_for_each_field(subtype: str) -> None:
    found = kind("ai", subtype)
    assert found is not None
    for name, field in found.Config.model_json_schema()["properties"].items():
        assert field["title"], name
        assert field["description"], name
        assert field["widget"], name
