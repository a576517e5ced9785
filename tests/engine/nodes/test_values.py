"""The kinds that only compute: good, bad and hostile input."""

from datetime import UTC, datetime

import pytest

from engine.testing import FakeClock, NoEgress, run_definition
from tests.engine.graphs import graph, node, put, write

HOSTILE = [
    "{{ 7 * 7 }}",
    "{% for x in range(9) %}x{% endfor %}",
    "'; DROP TABLE steps; --",
    "<script>alert(1)</script>",
    "\x00\x1b[31m",
    "é中 \u202e rtl \U0001f600",
    "a" * 100_000,
    {"__class__": {"__init__": 1}, "dry_run": True},
    [[[[]]]],
    -0.0,
    2**62,
    None,
]


async def one(kind, config, data=None):
    return await run_definition(graph(node("a", kind, config)), data, egress=NoEgress(), clock=FakeClock())


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
async def test_data_goes_through_as_data(data):
    definition = graph(
        node("t", "trigger.manual"),
        put("a", {"x": "{{ trigger.data }}", "y": ["{{ node_t.output.data }}"]}),
        node("s", "logic.switch", {"value": "{{ node_a.output.x }}", "cases": ["no"]}),
        node("i", "logic.if_else", {"condition": "node_a.output.x == trigger.data"}),
        node("m", "logic.merge"),
        write("w", "{{ node_a.output.x }}"),
        put("end", "{{ {'a': node_a.output, 'm': node_m.output, 'w': node_w.output.text} }}"),
        "t>a",
        "a>s",
        "s:default>i",
        "i:true>m",
        "m>w",
        "w>end",
    )
    result = await run_definition(definition, data, egress=NoEgress())
    assert result.output["a"] == {"x": data, "y": [data]}
    assert result.output["m"] == {"inputs": {"i": {"branch": "true"}}}
    if isinstance(data, str):
        assert result.output["w"] == data


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("action.set", {"values": "{{ trigger.data }}"}),
        ("action.template", {"template": "{{ trigger.data }}"}),
        ("logic.switch", {"value": "{{ trigger.data }}", "cases": ["a"]}),
        ("logic.if_else", {"condition": "trigger.data"}),
        ("logic.delay", {"seconds": "{{ trigger.data }}"}),
        ("logic.delay", {"until": "{{ trigger.data }}"}),
        ("human.approval", {"message": "{{ trigger.data }}", "timeout_seconds": "{{ trigger.data }}"}),
        ("human.approval", {"message": "?", "approvers": "{{ trigger.data }}"}),
    ],
)
async def test_any_data_in_any_field_ends_or_waits_with_a_clear_error(kind, config, data):
    result = await run_definition(graph(node("a", kind, config)), data, egress=NoEgress(), clock=HastyClock())
    assert result.status in ("completed", "waiting", "failed")
    if result.status == "failed":
        assert result.error["code"] == "INVALID_CONFIG"
        assert result.error["node_id"] == "a"


class HastyClock(FakeClock):
    """Whoever sleeps makes time pass at once."""

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.advance(seconds)


async def test_set_takes_a_whole_object_from_an_expression():
    assert (await one("action.set", {"values": "{{ trigger.data }}"}, {"a": 1})).output == {"a": 1}
    assert (await one("action.set", {"values": "{{ trigger.data }}"}, 5)).error["code"] == "INVALID_CONFIG"


@pytest.mark.parametrize(("data", "text"), [(5, "5"), (None, ""), (True, "true"), ([1], "[1]"), ("a", "a")])
async def test_template_makes_text_of_everything(data, text):
    assert (await one("action.template", {"template": "{{ trigger.data }}"}, data)).output == {"text": text}


@pytest.mark.parametrize(
    ("value", "branch"),
    [("a", "a"), ("7", "7"), (7, "7"), (True, "true"), (None, "default"), ("A", "default")],
)
async def test_switch_compares_as_text(value, branch):
    config = {"value": "{{ trigger.data }}", "cases": ["a", "7", "true"]}
    assert (await one("logic.switch", config, value)).output == {"branch": branch, "value": value}


@pytest.mark.parametrize(
    ("condition", "branch"),
    [("1", "true"), ("0", "false"), ("'no'", "true"), ("[]", "false"), (True, "true")],
)
async def test_if_else_is_truthy_as_in_python(condition, branch):
    assert (await one("logic.if_else", {"condition": condition})).output == {"branch": branch}


async def test_the_trigger_checks_its_schema():
    schema = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "n": {"$ref": "#/$defs/n"}},
        "$defs": {"n": {"type": "integer"}},
    }
    fine = await one("trigger.manual", {"input_schema": schema}, {"name": "Ada", "n": 1})
    assert fine.output == {"data": {"name": "Ada", "n": 1}}
    for data, place in ((None, "the input"), ({"name": 1}, "name"), ({"name": "", "n": "1"}, "n")):
        result = await one("trigger.manual", {"input_schema": schema}, data)
        assert result.error["code"] == "INVALID_INPUT"
        assert place in result.error["message"]
        assert result.error["details"]["problems"]


async def test_webhook_data_headers_query_and_method_are_there():
    from engine import Runner, TriggerInput
    from engine.testing import MemoryJournal, memory_ports

    definition = graph(
        node("t", "trigger.webhook"),
        put("a", {"all": "{{ [trigger.data, trigger.headers.x, trigger.query.q, trigger.method] }}"}),
        "t>a",
    )
    journal = MemoryJournal()
    trigger = TriggerInput("webhook", data={"b": 1}, headers={"x": "y"}, query={"q": "1"}, method="PUT")
    await Runner(definition, memory_ports(journal), execution_id="e", trigger=trigger).run()
    assert journal.end is not None
    assert journal.end.output == {"all": [{"b": 1}, "y", "1", "PUT"]}


async def test_delay_says_until_when_it_waited():
    result = await one("logic.delay", {"until": "2029-12-31T00:00:00Z"})
    assert result.output == {"waited_until": "2029-12-31T00:00:00Z"}
    assert FakeClock().now() == datetime(2030, 1, 1, tzinfo=UTC)
