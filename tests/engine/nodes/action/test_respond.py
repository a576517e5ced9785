import pytest

from engine import DryRun
from engine.testing import run_definition
from tests.engine.graphs import graph, node, put
from tests.engine.runner.host import Host, ended


def respond(node_id="answer", **config):
    return node(node_id, "action.respond", config)


async def test_it_is_the_output_of_the_run_wherever_it_stands():
    definition = graph(
        put("a"),
        respond(
            status="{{ 200 + 1 }}", headers={"X-Order": "{{ 7 }}"}, body={"at": "{{ node_a.output.at }}"}
        ),
        put("b"),
        "a>answer",
        "answer>b",
    )
    result = await run_definition(definition)
    assert result.output == {"status": 201, "headers": {"X-Order": "7"}, "body": {"at": "a"}}
    assert result.status == "completed"


async def test_of_several_the_first_that_was_reached_answers():
    definition = graph(
        respond("first", body="{{ trigger.data }}"),
        respond("second", body=2),
        put("b"),
        "first>second",
        "second>b",
    )
    assert (await run_definition(definition, "{{ 7 * 7 }}")).output["body"] == "{{ 7 * 7 }}"


async def test_one_that_is_not_reached_does_not_answer():
    definition = graph(
        node("i", "logic.if_else", {"condition": "false"}), respond(), put("b"), "i:true>answer", "i:false>b"
    )
    assert (await run_definition(definition)).output == {"at": "b"}


async def test_it_answers_after_a_wait_too():
    definition = graph(respond(body=1), node("nap", "logic.delay", {"seconds": 60}), "answer>nap")
    host = Host(definition)
    await host.run()
    host.clock.advance(60)
    assert ended(await host.run()).output == {"status": 200, "headers": {}, "body": 1}


async def test_a_dry_run_shows_the_answer():
    host = Host(graph(respond(body="hi")), dry_run=DryRun())
    assert ended(await host.run()).output == {"status": 200, "headers": {}, "body": "hi"}


@pytest.mark.parametrize(
    "config",
    [
        {"status": 100},
        {"status": 600},
        {"status": "{{ 'fine' }}"},
        {"headers": {"Set-Cookie": "a=1"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
        {"headers": {"content-length": "3"}},
        {"headers": {"Content-Security-Policy": "default-src *"}},
        {"headers": {"a b": "c"}},
        {"headers": {"": "c"}},
        {"headers": {"X-A": "{{ trigger.data }}"}},
        {"headers": {"X-A": "x" * 5000}},
        {"headers": {"X-A": "\u20ac"}},
    ],
    ids=lambda config: str(config)[:40],
)
async def test_what_no_answer_may_say_fails_the_step(config):
    result = await run_definition(graph(respond(**config)), "one\r\nSet-Cookie: a=1")
    assert result.error["code"] == "INVALID_CONFIG"
