import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engine import Definition, Problem, validate
from engine.identifiers import rename_node
from tests.engine.graphs import edge, graph, node, put, write

FULL = {
    "schema_version": 1,
    "nodes": [
        {
            "id": "a",
            "type": "action",
            "subtype": "set",
            "label": "First",
            "config": {"values": {"x": None}},
            "position": {"x": 1.5, "y": -2},
            "notes": "why",
            "disabled": False,
            "timeout_seconds": 5,
            "retry": {"max_retries": 0},
            "on_error": "branch",
            "repeat": "never",
        }
    ],
    "edges": [
        {"id": "e", "source": "a", "target": "a", "source_handle": "error", "condition": "1", "label": "x"}
    ],
    "notes": [{"id": "n", "text": "Ask", "position": {"x": 0, "y": 0}}],
    "groups": [{"id": "g", "label": "G", "nodes": ["a"]}],
}


def test_json_goes_in_and_comes_out_as_it_was_written():
    assert Definition.model_validate(FULL).to_json() == FULL
    assert Definition.model_validate({}).to_json() == {"schema_version": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"schema_version": 2},
        {"more": 1},
        {"nodes": [{"id": "a", "type": "x"}]},
        {"nodes": [{"id": 1, "type": "x", "subtype": "y"}]},
        {"nodes": [{"id": "a", "type": "x", "subtype": "y", "colour": "red"}]},
        {"nodes": [{"id": "a", "type": "x", "subtype": "y", "config": []}]},
        {"nodes": [{"id": "a", "type": "x", "subtype": "y", "on_error": "panic"}]},
        {"nodes": [{"id": "a", "type": "x", "subtype": "y", "timeout_seconds": 0}]},
        {"nodes": [{"id": "a", "type": "x", "subtype": "y", "retry": {"max_retries": 1000}}]},
        {"nodes": [{"id": "a", "type": "x", "subtype": "y", "position": {"x": float("nan"), "y": 0}}]},
        {"edges": [{"id": "e", "source": "a"}]},
        {"nodes": {}},
        [],
        None,
    ],
)
def test_unknown_keys_and_wrong_types_do_not_parse(wrong):
    with pytest.raises(ValidationError):
        Definition.model_validate(wrong)


def test_absurdly_deep_configs_do_not_parse():
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValidationError):
        Definition.model_validate(
            {"nodes": [{"id": "a", "type": "x", "subtype": "y", "config": {"v": deep}}]}
        )


def test_names_handles_and_the_schema():
    definition = Definition.model_validate(FULL)
    first = definition.node("a")
    assert first is not None
    assert (first.name, first.kind) == ("First", "action.set")
    assert definition.node("b") is None
    assert list(definition.triggers()) == []
    assert definition.edges[0].handle == "error"
    assert Definition.model_json_schema()["additionalProperties"] is False


def test_renaming_a_node_rewrites_all_that_uses_it():
    definition = graph(
        put("old", {"x": "{{ trigger.data.node_old }}"}),
        node("b", "logic.if_else", {"condition": "node_old.output.x == 'node_old'"}),
        write("c", "node_old {{ node_old.output.x }}"),
        put("d", {"deep": [{"er": "{{ node_old.output.x }}"}]}),
        node("e", "future.kind", {"text": "{{ node_old.output.x }}"}),
        edge("old>b", condition="node_old.output.x"),
        "b:true>c",
    ).model_copy(update={"groups": Definition.model_validate(FULL).groups})
    renamed = rename_node(definition, "old", "new")
    assert [each.id for each in renamed.nodes] == ["new", "b", "c", "d", "e"]
    assert renamed.nodes[0].config["values"] == {"x": "{{ trigger.data.node_old }}"}
    assert renamed.nodes[1].config["condition"] == "node_new.output.x == 'node_old'"
    assert renamed.nodes[2].config["template"] == "node_old {{ node_new.output.x }}"
    assert renamed.nodes[3].config["values"] == {"deep": [{"er": "{{ node_new.output.x }}"}]}
    assert renamed.nodes[4].config["text"] == "{{ node_new.output.x }}"
    assert (renamed.edges[0].source, renamed.edges[0].condition) == ("new", "node_new.output.x")
    assert rename_node(renamed, "a", "z").groups[0].nodes == ["z"]
    # The original is as it was.
    assert definition.nodes[0].id == "old"


def test_renaming_leaves_verbatim_fields_alone():
    schema = {"description": "{{ node_a.output }}"}
    definition = graph(node("a", "trigger.manual", {"input_schema": schema}))
    assert rename_node(definition, "a", "b").nodes[0].config == {"input_schema": schema}


@pytest.mark.parametrize("new", ["", "A b", "b"])
def test_a_new_id_must_be_one_and_free(new):
    with pytest.raises(ValueError, match=r"id|already"):
        rename_node(graph(put("a"), put("b")), "a", new)


TEXTS = st.sampled_from(
    [
        "{{ node_a.output.at }}",
        "node_b",
        "{{ node_b.output.at ~ 'node_a' }} {{- node_l.output.count }}",
        "{{ item }}",
        "{% for node_a in [1] %}{{ node_a }}{% endfor %}",
        "{{ node_l.output.results[0].x.at",
        "{{ node_gone.x }}",
    ]
)


@st.composite
def drawn(draw: st.DrawFn) -> Definition:
    return graph(
        put("a", {"x": draw(TEXTS), "deep": [draw(TEXTS)]}),
        node("l", "logic.loop", {"mode": "while", "condition": draw(TEXTS)}),
        put("b", {"x": draw(TEXTS), "node_a": "node_a"}),
        node("c", "logic.if_else", {"condition": draw(TEXTS)}, disabled=draw(st.booleans())),
        "a>l",
        edge("l:each>b", condition=draw(TEXTS)),
        "b>l",
        edge("l:done>c", condition=draw(TEXTS)),
    )


@given(drawn(), st.sampled_from("ablc"), st.sampled_from(["new", "aa", "l2", "bb"]))
def test_renaming_a_node_there_and_back_changes_nothing(definition, old, new):
    there = rename_node(definition, old, new)
    assert rename_node(there, new, old) == definition

    def told(problem: Problem) -> Problem:
        node_id = old if problem.node_id == new else problem.node_id
        return dataclasses.replace(problem, node_id=node_id, message="")

    assert [told(each) for each in validate(there)] == [told(each) for each in validate(definition)]
