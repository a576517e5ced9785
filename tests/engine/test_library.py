import asyncio
import subprocess
import sys

import pytest

import engine
from engine.errors import UnknownModelError
from engine.memory import NoModels
from engine.testing import FakeClock, MemoryJournal, NoEgress, ScriptedModels, run_definition
from tests.engine.graphs import graph, node, put, write

HEAVY = ("pydantic_ai", "openai", "anthropic", "httpx", "httpx2", "reflex", "sqlalchemy", "dramatiq", "redis")


def test_importing_the_engine_is_light():
    code = (
        "import sys, engine, engine.validation, engine.nodes.registry as registry, engine.testing;"
        "registry.catalog();"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


async def test_a_definition_runs_in_a_few_lines():
    events = []
    definition = {
        "nodes": [
            {
                "id": "a",
                "type": "action",
                "subtype": "template",
                "config": {"template": "{{ trigger.data.message }}!"},
            }
        ]
    }
    result = await engine.run(definition, {"message": "hi"}, on_event=events.append)
    assert (result.status, result.output) == ("completed", {"text": "hi!"})
    assert [(step.node_id, step.status) for step in result.steps] == [("a", "completed")]
    assert events == result.events
    assert [event["seq"] for event in events] == [1, 2, 3, 4]
    assert [event["type"] for event in events] == [
        "execution.started",
        "step.started",
        "step.completed",
        "execution.completed",
    ]


async def test_without_anything_set_up_the_demo_model_answers():
    result = await engine.run(graph(node("a", "ai.chat", {"prompt": "Hello"})))
    assert result.status == "completed"
    assert result.output["demo"] is True


async def test_delays_are_waited_for_and_approvals_are_handed_back():
    clock = FakeClock()
    definition = graph(
        node("nap", "logic.delay", {"seconds": 600}),
        node("ask", "human.approval", {"message": "?"}),
        "nap>ask",
    )
    task = asyncio.create_task(run_definition(definition, clock=clock))
    await clock.asleep(600)
    clock.advance(600)
    result = await task
    assert result.status == "waiting"
    assert result.waiting_for.kind == "approval"
    assert (result.output, result.error) == (None, None)


async def test_scripted_models_say_their_lines_in_turn():
    models = ScriptedModels({"default": ["one two", "three"], "other": RuntimeError("down")})
    tokens = []

    def on_event(event):
        if event["type"] == "step.token":
            tokens.append(event["text"])

    definition = graph(
        *(node(each, "ai.chat", {"prompt": f"Say {each}"}) for each in ("a", "b", "c")),
        write("all", "{{ node_a.output.text }}, {{ node_b.output.text }}, {{ node_c.output.text }}"),
        "a>b",
        "b>c",
        "c>all",
    )
    result = await run_definition(definition, models=models, on_event=on_event)
    assert result.output == {"text": "one two, three, three"}
    assert tokens == ["one", " two", "three", "three"]
    assert [name for name, _ in models.calls] == ["default"] * 3
    assert models.known("other")
    assert not models.known("third")
    with pytest.raises(UnknownModelError):
        models.resolve("third")
    result = await run_definition(
        graph(node("a", "ai.chat", {"prompt": "x", "model": "other"})), models=models
    )
    assert result.status == "failed"


async def test_scripted_models_answer_with_objects_where_these_are_asked_for():
    models = ScriptedModels({"default": {"label": "hot", "confidence": 0.9}})
    definition = graph(node("a", "ai.classify", {"input": "buy now", "labels": ["hot", "cold"]}))
    result = await run_definition(definition, models=models)
    assert result.output["label"] == "hot"


async def test_without_models_every_name_is_unknown():
    result = await run_definition(graph(node("a", "ai.chat", {"prompt": "x"})), models=NoModels())
    assert result.error["code"] == "UNKNOWN_MODEL"
    assert not NoModels().known("default")
    await NoModels().aclose()


async def test_without_egress_nothing_goes_out():
    definition = graph(node("a", "action.http_request", {"url": "http://example.com"}))
    result = await run_definition(definition, egress=NoEgress())
    assert result.error["code"] == "EGRESS_REFUSED"


async def test_the_journal_in_memory_keeps_its_word():
    journal = MemoryJournal()
    from engine import Runner, TriggerInput
    from engine.testing import memory_ports

    await Runner(graph(put("a")), memory_ports(journal), execution_id="e", trigger=TriggerInput()).run()
    (step,) = journal.steps.values()
    assert not journal.signal(step.step_id, {"kind": "timer"})
    assert not journal.signal("unknown", {"kind": "timer"})
    with pytest.raises(AssertionError, match="has ended"):
        await journal.write([])


async def test_the_clock_of_tests_passes_only_when_told():
    clock = FakeClock()
    order = []

    async def sleeper(seconds):
        await clock.sleep(seconds)
        order.append(seconds)

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 1, 2, 0)]
    await clock.asleep(2)
    assert clock.sleepers == [1, 2, 3]
    clock.advance(2)
    await asyncio.gather(*tasks[1:])
    assert order == [0, 1, 2]
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert clock.sleepers == []
