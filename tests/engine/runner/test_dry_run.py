import pytest

from engine import DryRun
from engine.testing import FakeClock, NoEgress, run_definition
from tests.engine.graphs import fetch, graph, node, put, write


async def dry(definition, data=None, **options):
    result = await run_definition(
        definition, data, egress=NoEgress(), clock=FakeClock(), triggered_by="test", dry_run=DryRun(**options)
    )
    return result, {step.node_id: step.output for step in result.steps if step.status == "completed"}


async def test_a_side_effect_is_only_described_and_what_is_missing_for_it_is_null():
    definition = graph(
        fetch("send", "https://example.com/{{ trigger.data.id }}", {"body": {"x": 1}}),
        put(
            "a",
            {
                "id": "{{ node_send.output.body.id }}",
                "first": "{{ node_send.output.list[trigger.data.id].x }}",
            },
        ),
        node("sure", "logic.if_else", {"condition": "node_send.output.ok"}),
        write("t", "[{{ node_send.output.body.name }}]"),
        "send>a",
        "a>sure",
        "sure:false>t",
    )
    result, outputs = await dry(definition, {"id": 7})
    assert result.status == "completed"
    assert outputs["send"] == {
        "dry_run": True,
        "would": {
            "method": "POST",
            "url": "https://example.com/7",
            "headers": {},
            "query": {},
            "body": {"x": 1},
        },
    }
    assert outputs["a"] == {"id": None, "first": None}
    assert outputs["t"] == {"text": "[]"}


async def test_what_is_missing_for_another_reason_is_still_an_error():
    result, _ = await dry(
        graph(fetch("send", "https://example.com"), write("t", "{{ trigger.data.no }}"), "send>t")
    )
    assert result.error["code"] == "MISSING_PATH"


async def test_a_pin_stands_in_for_running_a_node_and_takes_its_way():
    definition = graph(
        fetch("send", "https://example.com"),
        node("which", "logic.switch", {"value": "{{ node_send.output.body.kind }}", "cases": ["a", "b"]}),
        put("a"),
        put("b"),
        node("sure", "logic.if_else", {"condition": "true"}),
        put("no"),
        "send>which",
        "which:a>a",
        "which:b>b",
        "b>sure",
        "sure:false>no",
    )
    pins = {"send": {"status": 200, "body": {"kind": "b"}}, "sure": {"branch": "false"}}
    result, outputs = await dry(definition, pins=pins)
    assert set(outputs) == {"send", "which", "b", "sure", "no"}
    assert result.output == {"at": "no"}


async def test_delays_pass_and_approvals_count_as_approved():
    definition = graph(
        node("nap", "logic.delay", {"seconds": 3600}),
        node("ask", "human.approval", {"message": "?", "show": {"a": 1}}),
        put("yes"),
        "nap>ask",
        "ask:approved>yes",
    )
    result, outputs = await dry(definition)
    assert result.output == {"at": "yes"}
    assert outputs["ask"]["decision"] == "approved"
    assert outputs["ask"]["data"] == {"a": 1}


CHAIN = graph(
    node("start", "trigger.manual"),
    put("a", {"n": 1}),
    node("which", "logic.if_else", {"condition": "node_a.output.n == 1"}),
    write("b", "{{ node_a.output.n }}{{ trigger.data }}"),
    put("c"),
    "start>a",
    "a>which",
    "which:true>b",
    "b>c",
)


async def test_one_node_alone_runs_on_pins():
    result, outputs = await dry(CHAIN, "!", node="b", pins={"a": {"n": 5}})
    assert outputs == {"b": {"text": "5!"}}
    assert result.output == {"text": "5!"}
    result, _ = await dry(CHAIN, "!", node="b")
    assert result.error["code"] == "MISSING_PATH"


async def test_one_node_that_is_pinned_runs_all_the_same_unless_it_has_a_side_effect():
    _, outputs = await dry(CHAIN, "!", node="b", pins={"a": {"n": 5}, "b": {"text": "old"}})
    assert outputs == {"b": {"text": "5!"}}
    _, outputs = await dry(graph(fetch("s", "https://example.com")), node="s", pins={"s": {"status": 1}})
    assert outputs == {"s": {"status": 1}}


async def test_up_to_a_node_runs_it_and_what_comes_before():
    result, outputs = await dry(CHAIN, until_node="which")
    assert set(outputs) == {"start", "a", "which"}
    assert result.output == {"branch": "true"}


async def test_from_a_node_on_runs_it_and_what_follows():
    _result, outputs = await dry(CHAIN, "!", from_node="b", pins={"a": {"n": 3}})
    assert outputs == {"b": {"text": "3!"}, "c": {"at": "c"}}


async def test_from_a_node_on_ways_from_elsewhere_are_live_as_their_pins_say():
    definition = graph(
        put("first"),
        node("which", "logic.if_else", {"condition": "true"}),
        put("from_here"),
        node("all", "logic.merge"),
        "first>from_here",
        "from_here>all",
        "which:true>all",
    )
    _, outputs = await dry(definition, from_node="from_here", pins={"which": {"branch": "true"}})
    assert outputs["all"] == {"inputs": {"from_here": {"at": "from_here"}, "which": {"branch": "true"}}}
    _, outputs = await dry(definition, from_node="from_here", pins={"which": {"branch": "false"}})
    assert outputs["all"] == {"inputs": {"from_here": {"at": "from_here"}}}


@pytest.mark.parametrize("option", ["node", "from_node", "until_node"])
async def test_a_node_that_does_not_exist_is_refused(option):
    result, _ = await dry(CHAIN, **{option: "nowhere"})
    assert result.error["code"] == "INVALID_DEFINITION"
