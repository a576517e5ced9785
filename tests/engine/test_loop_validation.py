"""What may lead into, out of and around a loop, and what its body may name."""

import itertools
from typing import Any

import pytest

from engine import validate
from tests.engine.graphs import edge, graph, node, put, write


def loop(node_id: str = "l", **more: Any) -> dict[str, Any]:
    return node(node_id, "logic.loop", {"items": [1], **more})


def problems(*parts: Any) -> list[tuple[str, str | None]]:
    """(code, edge or node)"""
    return [(problem.code, problem.edge_id or problem.node_id) for problem in validate(graph(*parts))]


def unseen(*parts: Any) -> list[str]:
    """The messages about names that are not there."""
    return [problem.message for problem in validate(graph(*parts)) if problem.code == "UNKNOWN_REFERENCE"]


BODY = (loop(), put("a"), "l:each>a", "a>l")


def test_a_sound_loop_has_no_problems():
    assert problems(
        put("before", {"n": 1}),
        loop("outer", items="{{ node_before.output.n }}"),
        node("if", "logic.if_else", {"condition": "item and loop.index"}),
        loop("inner", items="{{ item }}", max_concurrency="{{ node_before.output.n }}"),
        write("a", "{{ item }} {{ loop.index0 }} {{ node_before.output.n }} {{ node_if.output.branch }}"),
        loop("again", mode="while", condition="node_b.output.n < 3 and node_inner.output.count"),
        put("b", {"n": "{{ loop.index }} {{ item }} {{ node_inner.output.results }}"}),
        write("after", "{{ node_outer.output.results }}"),
        "before>outer",
        edge("outer:each>if", condition="item"),
        "if:true>inner",
        "if:false>outer",
        "inner:each>a",
        "a>inner",
        "inner:done>again",
        "again:each>b",
        "b>again",
        "again:done>outer",
        "outer:done>after",
    ) == []  # fmt: skip


def test_a_loop_may_be_where_the_graph_begins_and_ends():
    assert problems(*BODY) == []
    assert problems(loop(), put("a"), "l:each>a") == []


@pytest.mark.parametrize(
    ("parts", "where"),
    [
        ([loop(), "l:each>l"], "l:each>l"),
        ([loop(), put("a"), "l:done>a", "a>l"], "a"),
        ([loop(), put("a"), put("b"), "l:each>a", "a>b", "b>a", "b>l"], "a"),
        ([put("first"), put("p"), loop(), put("a"), "first>p", "p>l", "l:each>a", "a>p"], "a>p"),
        ([loop(), loop("m"), put("a"), "l:each>m", "m:each>a", "a>l"], "a>l"),
    ],
)
def test_a_circle_that_is_no_body_stays_an_error(parts, where):
    assert ("CYCLE", where) in problems(*parts)


@pytest.mark.parametrize(
    ("parts", "where"),
    [
        ([*BODY, put("after"), "l:done>after", "a>after"], "a>after"),
        ([put("before"), *BODY, "before>l", "before>a"], "l:each>a"),
        ([*BODY, put("b"), "l>b", "l:each>b"], "l:each>b"),
        ([put("x"), *BODY, loop("m"), "x>l", "x>m", "m:each>a"], "m:each>a"),
    ],
)
def test_an_edge_over_the_border_of_a_body_is_an_error(parts, where):
    assert ("LOOP_BOUNDARY", where) in problems(*parts)


def test_the_border_is_explained():
    (problem,) = validate(graph(*BODY, put("after"), "l:done>after", "a>after"))
    assert problem.message == (
        "after is reached from outside of the body of l, too. A way in the body leads back to l "
        "or just ends; go on from `done` of l instead."
    )


def test_only_a_way_without_handle_is_missing_where_a_loop_is_left_by_it():
    assert problems(*BODY, put("b"), "l>b") == [("UNKNOWN_HANDLE", "l>b")]


@pytest.mark.parametrize("expression", ["item", "item.name", "loop.index"])
def test_outside_of_loops_there_is_no_item(expression):
    (message,) = unseen(*BODY, write("b", f"{{{{ {expression} }}}}"), "l:done>b")
    assert "only in the body of a loop" in message


def test_a_while_loop_has_rounds_but_no_item():
    body = (loop(mode="while", condition="loop.index < 3"), write("a", "{{ loop.index }}"), "l:each>a", "a>l")
    assert problems(*body) == []
    (message,) = unseen(loop(mode="while", condition="item"), put("a"), "l:each>a", "a>l")
    assert "only in the body of a loop over items" in message


def test_after_a_loop_its_results_are_named_not_its_body():
    (message,) = unseen(*BODY, write("b", "{{ node_a.output.at }}"), "l:done>b")
    assert message == (
        "node_a.output.at: a is in the body of a loop, so it has an output for each item; "
        "use node_l.output.results after the loop."
    )
    assert unseen(*BODY, put("b"), edge("l:done>b", condition="node_a.output.at"))


def test_in_its_own_body_a_loop_has_no_output():
    (message,) = unseen(loop(), write("a", "{{ node_l.output.count }}"), "l:each>a", "a>l")
    assert "no output yet in its own body" in message


def test_nodes_of_an_inner_body_are_not_seen_in_the_outer_one():
    parts = (loop(), loop("m"), put("a"), write("b", "{{ node_a.output.at }}"))
    assert unseen(*parts, "l:each>m", "m:each>a", "a>m", "m:done>b", "b>l")


def test_the_items_cannot_come_from_the_body():
    assert unseen(loop(items="{{ node_a.output.list }}"), put("a"), "l:each>a", "a>l")
    assert unseen(
        loop(mode="while", condition="node_b.output.x"), put("a"), put("b"), "l:each>a", "a>l", "l:done>b"
    )


def test_the_condition_of_each_sees_the_item_and_that_of_done_the_results():
    parts = (loop(), put("a"), put("b"), "a>l")
    assert problems(
        *parts, edge("l:each>a", condition="item > 1"), edge("l:done>b", condition="node_l.output.count")
    ) == []  # fmt: skip
    assert unseen(*parts, edge("l:each>a", condition="node_l.output.count"), "l:done>b")
    assert unseen(*parts, "l:each>a", edge("l:done>b", condition="item"))


def test_a_loop_without_a_body_that_goes_on_is_warned_about():
    (problem,) = validate(graph(loop(), put("b"), "l:done>b"))
    assert (problem.code, problem.severity) == ("UNUSED_BRANCH", "warning")
    assert "'each'" in problem.message


def test_loops_in_loops_without_end_are_checked_in_time():
    names = [f"l{number}" for number in range(400)]
    parts: list[Any] = [*(loop(name) for name in names), put("a"), f"{names[-1]}:each>a"]
    for outer, inner in itertools.pairwise(names):
        parts += [f"{outer}:each>{inner}", f"{inner}:done>{outer}"]
    assert validate(graph(*parts)) == []


def test_a_loop_may_have_a_timeout_as_every_node_may():
    assert validate(graph({**loop(), "timeout_seconds": 5}, put("a"), "l:each>a", "a>l")) == []
