import pytest

from engine import Definition, validate
from tests.engine.graphs import edge, fails, fetch, graph, node, put, write


def found(definition, code, **options):
    return [problem for problem in validate(definition, **options) if problem.code == code]


def test_a_sound_definition_has_no_problems():
    definition = graph(
        node("start", "trigger.manual", {"input_schema": {"type": "object"}}),
        put("a", {"n": "{{ trigger.data.n | default(1) }}"}),
        node("which", "logic.if_else", {"condition": "node_a.output.n > 3"}),
        write("b", "{% for x in [1] %}{{ x }}{{ loop.index }}{% endfor %}{{ execution.id }}"),
        fetch("c", "https://example.com/{{ node_a.output.n }}", {"method": "{{ trigger.data.method }}"}),
        node("ask", "human.approval", {"message": "?", "timeout_seconds": "{{ node_a.output.n }}"}),
        node("all", "logic.merge", {"mode": "any"}),
        "start>a",
        "a>which",
        "which:true>b",
        "which:false>c",
        edge("b>ask", condition="node_b.output.text"),
        "ask:approved>all",
        "ask:rejected>all",
        "ask:expired>all",
        "c>all",
    )
    assert validate(definition) == []


def test_unknown_kind():
    (problem,) = found(graph(node("a", "action.teleport")), "UNKNOWN_KIND")
    assert problem.to_json() == {
        "node_id": "a",
        "edge_id": None,
        "field": None,
        "code": "UNKNOWN_KIND",
        "message": "There is no node kind 'action.teleport' here; replace or delete this node.",
        "severity": "error",
    }


@pytest.mark.parametrize(
    ("kind", "config", "field", "said"),
    [
        ("action.set", {}, "values", "needed"),
        ("action.set", {"values": 5}, "values", "dictionary"),
        ("action.set", {"values": {}, "more": 1}, "more", "no such setting"),
        ("action.template", {}, "template", "needed"),
        ("action.http_request", {"url": "x", "method": "BREW"}, "method", "GET"),
        ("action.http_request", {"url": ""}, "url", "at least 1"),
        ("action.http_request", {"url": "x", "headers": []}, "headers", "dictionary"),
        ("logic.if_else", {"condition": "  "}, "condition", "write a condition"),
        ("logic.if_else", {"condition": 5}, "condition", "expression"),
        ("logic.switch", {"value": 1, "cases": []}, "cases", "at least 1"),
        ("logic.switch", {"value": 1, "cases": ["a", "a"]}, "cases", "once"),
        ("logic.switch", {"value": 1, "cases": ["default"]}, "cases", "another name"),
        ("logic.switch", {"value": 1, "cases": ["a", ""]}, "cases[1]", "at least 1"),
        ("logic.merge", {"mode": "some"}, "mode", "any"),
        ("logic.loop", {}, None, "give the items"),
        ("logic.loop", {"items": 5}, "items", "list"),
        ("logic.loop", {"items": [], "max_concurrency": 0}, "max_concurrency", "greater than or equal to 1"),
        ("logic.loop", {"mode": "until", "items": []}, "mode", "while"),
        ("logic.loop", {"mode": "while"}, None, "needs a condition"),
        ("logic.loop", {"mode": "while", "condition": " "}, None, "needs a condition"),
        ("logic.loop", {"mode": "while", "condition": "1", "max_iterations": 0}, "max_iterations", "1"),
        ("logic.delay", {}, None, "either seconds or until"),
        ("logic.delay", {"seconds": 1, "until": "2030-01-01T00:00:00Z"}, None, "either seconds or until"),
        ("logic.delay", {"seconds": -1}, "seconds", "greater than or equal to 0"),
        ("logic.delay", {"until": "tomorrow"}, "until", "date"),
        ("human.approval", {"message": ""}, "message", "at least 1"),
        ("human.approval", {"message": "?", "timeout_seconds": 0}, "timeout_seconds", "greater than 0"),
        ("trigger.manual", {"input_schema": {"type": "nonsense"}}, "input_schema", "not a valid JSON Schema"),
        ("trigger.manual", {"input_schema": {"$ref": "http://a.b/c"}}, "input_schema", "$ref"),
        ("trigger.webhook", {"response": "later"}, "response", "immediate"),
    ],
)
def test_invalid_config_names_the_field(kind, config, field, said):
    (problem,) = found(graph(node("a", kind, config)), "INVALID_CONFIG")
    assert (problem.node_id, problem.field) == ("a", field)
    assert said in problem.message


def test_expressions_may_stand_where_values_are_expected():
    definition = graph(
        node("a", "logic.delay", {"seconds": "{{ trigger.data.n }}"}),
        node("b", "logic.delay", {"until": "{{ trigger.data.when }}"}),
        put("c", "{{ trigger.data }}"),
    )
    assert validate(definition) == []


def test_a_disabled_node_may_be_half_finished():
    definition = graph(
        put("a"), node("off", "action.template", {"template": "{{ nope", "x": 1}, disabled=True), "a>off"
    )
    assert validate(definition) == []


def test_cycle_names_the_nodes_on_it_only():
    definition = graph(put("before"), put("a"), put("b"), put("after"), "before>a", "a>b", "b>a", "b>after")
    assert [problem.node_id for problem in found(definition, "CYCLE")] == ["a", "b"]
    assert [problem.node_id for problem in found(graph(put("a"), "a>a"), "CYCLE")] == ["a"]


def test_unknown_node():
    problems = found(graph(put("a"), "a>nowhere", "nobody>a"), "UNKNOWN_NODE")
    assert [problem.edge_id for problem in problems] == ["a>nowhere", "nobody>a"]


@pytest.mark.parametrize(
    ("source", "edges"),
    [
        (put("a"), ["a:error>b"]),
        (put("a", on_error="continue"), ["a:error>b"]),
        (node("a", "logic.if_else", {"condition": "1"}), ["a>b"]),
        (node("a", "logic.switch", {"value": 1, "cases": ["x"]}), ["a:y>b"]),
        (node("a", "human.approval", {"message": "?"}), ["a:true>b"]),
    ],
)
def test_unknown_handle(source, edges):
    (problem,) = found(graph(source, put("b"), *edges), "UNKNOWN_HANDLE")
    assert (problem.node_id, problem.edge_id) == ("a", edges[0])


@pytest.mark.parametrize(
    ("source", "edges"),
    [
        (put("a", on_error="branch"), ["a:error>b", "a>b"]),
        (node("a", "logic.switch", {"value": 1, "cases": ["x"]}), ["a:x>b", "a:default>b"]),
        (
            node("a", "logic.if_else", {"condition": "1"}, on_error="continue"),
            ["a:true>b", "a:false>b", "a>b"],
        ),
    ],
)
def test_known_handles(source, edges):
    assert validate(graph(source, put("b"), *edges)) == []


def test_nothing_leads_into_a_trigger():
    assert found(graph(put("a"), node("t", "trigger.manual"), "a>t"), "UNKNOWN_HANDLE")


def test_duplicate_ids():
    definition = graph(put("a"), put("a"), put("b"), "a>b", "a>b")
    problems = found(definition, "DUPLICATE_ID")
    assert [(problem.node_id, problem.edge_id) for problem in problems] == [("a", None), (None, "a>b")]


@pytest.mark.parametrize("node_id", ["", "A", "1a", "a-b", "ä", "a" * 64, "a b", "a\n"])
def test_invalid_id(node_id):
    assert [problem.node_id for problem in found(graph(put(node_id)), "INVALID_ID")] == [node_id]


def test_unreachable():
    definition = graph(
        node("start", "trigger.manual"), put("a"), put("lost"), put("behind"), "start>a", "lost>behind"
    )
    assert [problem.node_id for problem in found(definition, "UNREACHABLE")] == ["lost", "behind"]
    assert found(graph(put("a"), put("b")), "UNREACHABLE") == []


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"values": {"x": "{{ a b }}"}}, "values.x"),
        ({"values": {"x": ["", "{{ ''.upper() }}"]}}, "values.x[1]"),
        ({"values": "{{ trigger.data | nope }}"}, "values"),
    ],
)
def test_bad_expression_says_where(config, field):
    (problem,) = found(graph(node("a", "action.set", config)), "BAD_EXPRESSION")
    assert (problem.node_id, problem.field) == ("a", field)


def test_bad_expression_in_conditions():
    (problem,) = found(graph(node("a", "logic.if_else", {"condition": "a b"})), "BAD_EXPRESSION")
    assert problem.field == "condition"
    definition = graph(put("a"), put("b"), edge("a>b", condition="a b"))
    (problem,) = found(definition, "BAD_EXPRESSION")
    assert (problem.edge_id, problem.field) == ("a>b", "condition")


def test_braces_in_verbatim_fields_are_no_expressions():
    schema = {"type": "object", "description": "like {{ this one"}
    assert validate(graph(node("a", "trigger.manual", {"input_schema": schema}))) == []


@pytest.mark.parametrize(
    "text",
    [
        "{{ node_nobody.output.x }}",
        "{{ node_later.output.x }}",
        "{{ node_a.output.x }}",
        "{{ node_beside.output.x | default('') }}",
        "{{ secret.KEY }}",
        "{{ item }}",
        "{{ node_before.text }}",
    ],
)
def test_unknown_reference(text):
    definition = graph(
        put("before"), write("a", text), put("later"), put("beside"), "before>a", "a>later", "before>beside"
    )
    (problem,) = found(definition, "UNKNOWN_REFERENCE")
    assert (problem.node_id, problem.field) == ("a", "template")


def test_the_condition_of_an_edge_may_use_its_source_and_not_its_target():
    fine = graph(put("a"), put("b"), edge("a>b", condition="node_a.output.at"))
    assert validate(fine) == []
    wrong = graph(put("a"), put("b"), edge("a>b", condition="node_b.output.at"))
    assert found(wrong, "UNKNOWN_REFERENCE")[0].edge_id == "a>b"


def test_unknown_field_is_a_warning():
    definition = graph(put("a", {"x": 1}), write("b", "{{ node_a.output.y }}{{ trigger.body }}"), "a>b")
    problems = found(definition, "UNKNOWN_FIELD")
    assert [problem.severity for problem in problems] == ["warning", "warning"]
    assert "there is: x" in problems[0].message
    known = graph(fails("a", on_error="continue"), write("b", "{{ node_a.output.error.code }}"), "a>b")
    assert validate(known) == []


def test_unused_branch_is_a_warning():
    definition = graph(node("a", "logic.if_else", {"condition": "1"}), put("b"), "a:true>b")
    (problem,) = validate(definition)
    assert (problem.code, problem.severity) == ("UNUSED_BRANCH", "warning")
    assert "'false'" in problem.message


def test_unknown_model():
    definition = graph(node("a", "ai.chat", {"model": "who", "prompt": "hi"}))
    (problem,) = found(definition, "UNKNOWN_MODEL", models=lambda name: name == "default")
    assert (problem.node_id, problem.field) == ("a", "model")
    assert found(definition, "UNKNOWN_MODEL", models=lambda name: True) == []
    assert found(definition, "UNKNOWN_MODEL") == []


def test_anything_that_parses_can_be_validated():
    definition = Definition.model_validate(
        {
            "nodes": [
                {"id": "", "type": "", "subtype": ""},
                {"id": "a", "type": "x", "subtype": "y", "config": {"a": "{{"}},
            ],
            "edges": [{"id": "", "source": "", "target": ""}, {"id": "", "source": "a", "target": "q"}],
        }
    )
    codes = {problem.code for problem in validate(definition)}
    assert {"INVALID_ID", "UNKNOWN_KIND", "CYCLE", "UNKNOWN_NODE", "DUPLICATE_ID", "BAD_EXPRESSION"} <= codes
