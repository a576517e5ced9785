"""Fields that cannot be there are told before anything runs, as deep as the graph is known."""

import itertools
from typing import Any

import pytest

from engine import Definition, validate
from tests.engine.graphs import edge, fetch, graph, node, put, write

CONTACT = {
    "type": "object",
    "properties": {
        "email": {"type": "string"},
        "age": {"type": ["integer", "null"]},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
        "more": {"type": "object", "additionalProperties": {"type": "object", "properties": {"x": {}}}},
        "free": {"type": "object"},
        "either": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/tag"}]},
    },
    "$defs": {"tag": {"type": "object", "properties": {"name": {"type": "string"}}}},
}
START = node("start", "trigger.manual", {"input_schema": CONTACT})


def unknown(definition: Definition) -> list[str]:
    found = [problem for problem in validate(definition) if problem.code == "UNKNOWN_FIELD"]
    assert {problem.severity for problem in found} <= {"warning"}
    return [problem.message for problem in found]


def unknown_in(*parts: Any) -> list[str]:
    """Of a graph whose last node shows what is asked for."""
    return unknown(graph(*parts))


def asks(path: str) -> dict[str, Any]:
    return write("ask", f"{{{{ {path} }}}}")


@pytest.mark.parametrize(
    "path",
    [
        "trigger.data.email",
        "trigger.data.email[0]",
        "trigger.data.tags",
        "trigger.data.tags[0].name",
        "trigger.data.more.anything.x",
        "trigger.data.free.whatever.there",
        "trigger.data.either.name",
        "trigger.headers.host",
        "node_start.output.data.tags[1].name",
        "execution.id",
        "trigger.data[trigger.method].anything",
    ],
)
def test_what_the_schema_of_the_trigger_has_is_known(path):
    assert unknown_in(START, asks(path), "start>ask") == []


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("trigger.data.emial", "'emial' is not known there; there is: email, age, tags, more, free, either."),
        ("trigger.data.email.domain", "'domain' is not known there; it is text."),
        ("trigger.data.age.years", "'years' is not known there; it is a single value."),
        ("trigger.data.tags.name", "'name' is not known there; it is a list; take an item of it, like [0]."),
        ("trigger.data.tags[0].nam", "'nam' is not known there; there is: name."),
        ("trigger.data.more.anything.y", "'y' is not known there; there is: x."),
        ("trigger.data.either.nam", "'nam' is not known there; there is: name; or it is text."),
        ("trigger.data[0]", "0 is not known there; there is: email, age, tags, more, free, either."),
        ("trigger.body", "'body' is not known there; there is: data, headers, query, method."),
        ("execution.name", "'name' is not known there; there is: id, triggered_by, dry_run."),
        ("node_start.output.data.emial", "'emial' is not known there"),
    ],
)
def test_what_it_has_not_is_told(path, why):
    (message,) = unknown_in(START, asks(path), "start>ask")
    assert message.startswith(path)
    assert why in message


@pytest.mark.parametrize("more", [{"additionalProperties": True}, {"allOf": [{"required": ["b"]}]}])
def test_a_schema_that_takes_other_fields_is_taken_at_its_word(more):
    schema = {"type": "object", "properties": {"a": {}}, **more}
    start = node("start", "trigger.manual", {"input_schema": schema})
    assert unknown_in(start, asks("trigger.data.b"), "start>ask") == []


def test_only_the_triggers_that_lead_to_a_node_count():
    other = node("other", "trigger.manual", {"input_schema": {"type": "object", "properties": {"n": {}}}})
    hook = node("hook", "trigger.webhook")
    assert unknown_in(START, other, put("x"), asks("trigger.data.n"), "start>x", "other>ask", "x>ask") == []
    assert unknown_in(START, other, put("x"), asks("trigger.data.n"), "start>ask", "other>x")
    assert unknown_in(START, hook, asks("trigger.data.n"), "start>ask", "hook>ask") == []


def test_outputs_are_known_to_the_last_field():
    parts = (node("ask_model", "ai.chat", {"prompt": "hi"}), fetch("call", "https://example.com"))
    fine = (
        "node_ask_model.output.usage.input_tokens ~ node_call.output.body.x ~ node_call.output.headers.host"
    )
    assert unknown_in(*parts, asks(fine), "ask_model>call", "call>ask") == []
    for path in (
        "node_ask_model.output.usage.tokens",
        "node_ask_model.output.text.length",
        "node_call.output.headers.a.b",
    ):
        assert unknown_in(*parts, asks(path), "ask_model>call", "call>ask")


def test_values_that_are_set_keep_what_is_known_of_them():
    values = {
        "contact": "{{ trigger.data }}",
        "first": {"tag": "{{ trigger.data.tags[0] }}"},
        "text": "{{ trigger.data.email }}!",
        "n": 5,
        "list": [{"a": 1}, {"b": 2}],
        "any": "{{ trigger.data.tags | first }}",
    }
    around = (START, put("a", values), put("b", {"again": "{{ node_a.output }}"}))
    edges = ("start>a", "a>b", "b>ask")
    for fine in ("contact.email", "first.tag.name", "text", "list[0].a", "list[0].b", "any.x.y"):
        assert unknown_in(*around, asks(f"node_b.output.again.{fine}"), *edges) == [], fine
    for wrong in ("contcat", "contact.emial", "first.tag.nam", "text.x", "n.x", "list.a", "list[0].c"):
        assert unknown_in(*around, asks(f"node_b.output.again.{wrong}"), *edges), wrong


def test_what_a_person_fills_in_has_the_fields_of_the_form():
    form = {"type": "object", "properties": {"reason": {"type": "string"}}}
    parts = (node("form", "human.input", {"message": "Why?", "schema": form}), "form>ask")
    assert unknown_in(*parts, asks("node_form.output.data.reason ~ node_form.output.comment")) == []
    assert unknown_in(*parts, asks("node_form.output.data.raeson"))


def test_what_is_extracted_has_the_fields_that_were_asked_for():
    wanted = {"properties": {"company": {"type": "object", "properties": {"name": {"type": "string"}}}}}
    parts = (node("find", "ai.extract", {"input": "x", "schema": wanted}), "find>ask")
    assert (
        unknown_in(*parts, asks("node_find.output.data.company.name ~ node_find.output.usage.input_tokens"))
        == []
    )
    for wrong in ("data.compnay", "data.company.nmae", "usage.tokens", "dta"):
        assert unknown_in(*parts, asks(f"node_find.output.{wrong}")), wrong


def test_a_failure_that_the_flow_goes_on_from_is_an_output_too():
    caught = write("a", "x", on_error="continue")
    assert unknown_in(caught, asks("node_a.output.error.message ~ node_a.output.text"), "a>ask") == []
    assert unknown_in(caught, asks("node_a.output.error.reason"), "a>ask")
    assert unknown_in(write("a", "x"), asks("node_a.output.error.message"), "a>ask")


def test_a_merge_has_what_leads_into_it():
    parts = (put("a", {"x": 1}), put("b", {"y": 1}), node("m", "logic.merge"))
    edges = ("a>m", "b>m", "m>ask")
    assert unknown_in(*parts, asks("node_m.output.inputs.a.x ~ node_m.output.inputs.b.y"), *edges) == []
    assert unknown_in(*parts, asks("node_m.output.inputs.a.y"), *edges)
    assert unknown_in(*parts, asks("node_m.output.inputs.c"), *edges)


def test_a_disabled_node_has_what_is_handed_through():
    parts = (put("a", {"x": 1}), put("off", {"y": 1}, disabled=True))
    assert unknown_in(*parts, asks("node_off.output.x"), "a>off", "off>ask") == []
    assert unknown_in(*parts, asks("node_off.output.y"), "a>off", "off>ask")


def loop_over(items: Any) -> tuple[Any, ...]:
    return (START, node("l", "logic.loop", {"items": items}), "start>l", "l:each>a", "a>l")


@pytest.mark.parametrize("items", ["{{ trigger.data.tags }}", [{"name": "x"}]])
def test_an_item_is_what_the_list_holds(items):
    assert unknown_in(*loop_over(items), write("a", "{{ item.name }}{{ loop.index0 }}")) == []
    (message,) = unknown_in(*loop_over(items), write("a", "{{ item.nam }}"))
    assert message == "item.nam: 'nam' is not known there; there is: name."
    assert unknown_in(*loop_over(items), write("a", "{{ loop.last }}"))


def test_results_are_what_leads_back():
    parts = (*loop_over("{{ trigger.data.tags }}"), put("a", {"tag": "{{ item }}"}), "l:done>ask")
    for fine in ("results[0].tag.name", "items[0].name", "count", "results[trigger.data.age].any"):
        assert unknown_in(*parts, asks(f"node_l.output.{fine}")) == []
    for wrong in ("results.tag", "results[0].nam", "results[0].tag.nam", "items[0].nam", "count.x", "result"):
        assert unknown_in(*parts, asks(f"node_l.output.{wrong}")), wrong


def test_results_of_two_ways_back_are_either_or_both():
    parts = (*loop_over([1]), put("a", {"x": 1}), put("b", {"y": 1}), "l:each>b", "b>l", "l:done>ask")
    for fine in ("x", "y", "a.x", "b.y"):
        assert unknown_in(*parts, asks(f"node_l.output.results[0].{fine}")) == []
    assert unknown_in(*parts, asks("node_l.output.results[0].z"))


def test_loops_in_loops_are_known_too():
    parts = (
        START,
        node("outer", "logic.loop", {"items": [{"rows": [{"n": 1}]}]}),
        node("inner", "logic.loop", {"items": "{{ item.rows }}"}),
        put("a", {"m": "{{ item.n }}"}),
        "start>outer",
        "outer:each>inner",
        "inner:each>a",
        "a>inner",
        "inner:done>outer",
        "outer:done>ask",
    )
    assert unknown_in(*parts, asks("node_outer.output.results[0].results[0].m")) == []
    assert unknown_in(*parts, asks("node_outer.output.results[0].results[0].n"))
    assert unknown_in(*parts, asks("node_outer.output.results[0].m"))


def test_conditions_are_looked_into_like_everything_else():
    parts = (put("a", {"x": 1}), put("b"))
    assert unknown_in(*parts, edge("a>b", condition="node_a.output.y"))
    assert unknown_in(
        put("a", {"x": 1}), node("b", "logic.if_else", {"condition": "node_a.output.y > 1"}), "a>b"
    )


def test_a_schema_that_goes_round_in_circles_ends():
    tree: dict[str, Any] = {
        "type": "object",
        "properties": {"child": {"$ref": "#"}, "loop": {"$ref": "#/$defs/loop"}},
        "$defs": {"loop": {"anyOf": [{"$ref": "#/$defs/loop"}, {"$ref": "#/$defs/loop"}]}},
    }
    start = node("start", "trigger.manual", {"input_schema": tree})
    assert unknown_in(start, asks("trigger.data.child.child.child.loop.x.y"), "start>ask") == []
    assert unknown_in(start, asks("trigger.data.child.child.x"), "start>ask")


def test_a_long_chain_of_values_is_followed():
    names = [f"n{number}" for number in range(900)]
    parts: list[Any] = [put(names[0], {"v": {"x": 1}})]
    for before, after in itertools.pairwise(names):
        parts += [put(after, {"v": f"{{{{ node_{before}.output.v }}}}"}), f"{before}>{after}"]
    assert unknown_in(*parts, asks("node_n899.output.v.x"), "n899>ask") == []
    assert unknown_in(*parts, asks("node_n899.output.v.y"), "n899>ask")
