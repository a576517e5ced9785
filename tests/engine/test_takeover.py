"""Which steps of a run another one may take over, and what becomes of them where the run itself goes on."""

from datetime import UTC, datetime
from typing import Any

import pytest

from engine import Definition
from engine.ports import StepState
from engine.replaying import takeover
from engine.resuming import Misfit, fates, misfits
from tests.engine.graphs import graph, node, put

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
LINE = (put("a"), put("b"), put("c"), "a>b", "b>c")


def loop(node_id: str = "l", **config: Any) -> dict[str, Any]:
    return node(node_id, "logic.loop", config or {"items": "{{ [1, 2] }}"})


AROUND = (put("a"), loop(), put("b"), put("c"), put("z"), "a>l", "l:each>b", "b>c", "c>l", "l:done>z")


def step(place: str, status: Any = "completed", **more: Any) -> StepState:
    """`b`, or `b/0` for its first round."""
    node_id, *rounds = place.split("/")
    handle = "out" if status == "completed" else None
    given = {"handle": handle, "started_at": BEGAN, **more}
    return StepState(place, node_id, tuple(map(int, rounds)), 1, status, 1, **given)


def steps(*places: str) -> list[StepState]:
    return [step(place) for place in places]


def changed(*parts: Any, **by_id: dict[str, Any]) -> Definition:
    """The graph with fields of some of its nodes replaced."""
    return graph(
        *({**part, **by_id.get(part["id"], {})} if isinstance(part, dict) else part for part in parts)
    )


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (graph(*LINE), []),
        (graph(put("a"), put("b"), put("d"), "a>b", "b>d"), []),
        (changed(*LINE, b={"config": {"values": {"other": 1}}, "label": "New"}), []),
        (graph(put("a"), put("c"), "a>c"), [Misfit("b", "missing")]),
        (changed(*LINE, b={"subtype": "template", "config": {"template": "x"}}), [Misfit("b", "kind")]),
        (changed(*LINE, a={"disabled": True}), [Misfit("a", "disabled")]),
        (graph(put("a"), put("b"), put("c"), "b>a", "b>c"), [Misfit("a", "edges"), Misfit("b", "edges")]),
        (graph(put("a"), loop(), put("b"), "a>l", "l:each>b", "b>l"), [Misfit("b", "loop")]),
        (graph(node("t", "trigger.manual"), *LINE), [Misfit("a", "trigger")]),
    ],
)
def test_what_has_run_must_be_there_as_it_was(after: Definition, found: list[Misfit]) -> None:
    ran = [*steps("a", "b"), step("c", "failed")]
    assert misfits(graph(*LINE), after, ran) == found


def test_an_edge_that_asks_something_else_is_another_edge() -> None:
    edge = {"id": "e", "source": "a", "target": "b"}
    before = graph(put("a"), put("b"), {**edge, "condition": "{{ true }}"})
    for condition in ("{{ false }}", None):
        after = graph(put("a"), put("b"), {**edge, "condition": condition})
        assert misfits(before, after, steps("a", "b")) == [Misfit("b", "edges")]


def test_what_the_flow_went_on_from_stays_and_the_rest_begins_anew() -> None:
    ran = [
        step("a"),
        step("b", "failed", handle="error"),
        step("c", "failed", error={"code": "X", "node_id": "c"}),
        step("d", "cancelled"),
        step("e", "skipped"),
    ]
    before = graph(*(put(name) for name in "abcde"))
    assert fates(before, before, ran) == {"c": "pending", "d": "pending"}


def test_open_steps_of_nodes_that_are_gone_are_cancelled() -> None:
    ran = [step("a"), step("b", "waiting"), step("c", "failed")]
    assert fates(graph(*LINE), graph(put("a")), ran) == {"b": "cancelled"}
    assert fates(graph(*LINE), graph(*LINE), ran) == {"c": "pending"}


def test_a_waiting_step_that_is_another_now_begins_anew() -> None:
    ran = [step("a"), step("b", "waiting")]
    after = changed(*LINE, b={"subtype": "template", "config": {"template": "x"}})
    assert fates(graph(*LINE), after, ran) == {"b": "pending"}


@pytest.mark.parametrize(
    ("repeat", "status", "error", "fate"),
    [
        ("never", "cancelled", None, "running"),
        ("never", "failed", {"code": "WORKER_CRASHED", "node_id": None}, "running"),
        ("never", "failed", {"code": "HTTP_ERROR", "node_id": "a"}, "pending"),
        ("safe", "cancelled", None, "pending"),
    ],
)
def test_what_may_have_taken_effect_is_left_to_a_person(
    repeat: str, status: str, error: Any, fate: str
) -> None:
    calls = graph(node("a", "action.http_request", {"url": "https://a.example"}, repeat=repeat))
    assert fates(calls, calls, [step("a", status, error=error)]) == {"a": fate}
    assert fates(calls, calls, [step("a", status, error=error, started_at=None)]) == {"a": "pending"}


def test_a_loop_goes_on_with_the_rounds_that_it_has() -> None:
    around = graph(*AROUND)
    ran = [
        step("a"),
        step("l", "cancelled"),
        *steps("b/0", "c/0"),
        step("b/1", "failed"),
        step("c/1", "skipped"),
    ]
    assert fates(around, around, ran) == {"l": "running", "b/1": "pending"}
    assert fates(around, around, [step("a"), step("l", "failed")]) == {"l": "pending"}


def test_what_was_skipped_with_a_loop_is_forgotten_where_the_loop_runs_after_all() -> None:
    around = graph(*AROUND)
    skipped = [step("b", "skipped"), step("c", "skipped"), step("z", "skipped")]
    assert fates(around, around, [step("a"), step("l", "failed"), *skipped]) == {
        "l": "pending",
        "b": "forgotten",
        "c": "forgotten",
    }
    assert fates(around, around, [*steps("a", "l"), *skipped]) == {}


def kept(definition: Definition, anew: set[str], ran: list[StepState]) -> tuple[set[str], set[str]]:
    found = takeover(definition, anew, ran)
    return set(found.kept), set(found.reopened)


def test_what_does_not_depend_on_the_node_is_taken_over() -> None:
    diamond = graph(*(put(name) for name in "abcde"), "a>b", "a>c", "b>d", "c>d", "c>e")
    ran = steps("a", "b", "c", "d", "e")
    assert kept(diamond, {"b"}, ran) == ({"a", "c", "e"}, set())
    assert kept(diamond, {"b", "c"}, ran) == ({"a"}, set())
    assert kept(diamond, {"a"}, ran) == (set(), set())
    assert kept(diamond, {"nowhere"}, ran) == ({"a", "b", "c", "d", "e"}, set())


def test_what_did_not_end_well_and_what_is_gone_is_not_taken_over() -> None:
    ran = [
        step("a"),
        step("b", "failed", handle="error"),
        step("c", "failed"),
        step("d"),
        step("e", "skipped"),
    ]
    assert kept(graph(*(put(name) for name in "abce")), set(), ran) == ({"a", "b"}, set())


ROUNDS = steps("a", "l", "b/0", "b/1", "c/0", "c/1", "z")


def test_a_loop_over_items_keeps_in_each_round_what_does_not_depend() -> None:
    around = graph(*AROUND)
    assert kept(around, {"c"}, ROUNDS) == ({"a", "b/0", "b/1"}, {"l"})
    assert kept(around, {"z"}, ROUNDS) == ({"a", "l", "b/0", "b/1", "c/0", "c/1"}, set())
    assert kept(around, {"l"}, ROUNDS) == ({"a"}, set())
    unused = [step("a"), step("l", "skipped")]
    assert kept(around, {"c"}, unused) == ({"a"}, set())


def test_a_while_loop_runs_again_as_a_whole() -> None:
    parts = [
        loop(mode="while", condition="{{ true }}") if isinstance(p, dict) and p["id"] == "l" else p
        for p in AROUND
    ]
    assert kept(graph(*parts), {"c"}, ROUNDS) == ({"a"}, set())
    assert kept(graph(*parts), {"z"}, ROUNDS) == ({"a", "l", "b/0", "b/1", "c/0", "c/1"}, set())


@pytest.mark.parametrize(("mode", "reopened"), [("items", {"o", "i/0"}), ("while", {"o"})])
def test_of_loops_in_loops_each_is_as_it_is_itself(mode: str, reopened: set[str]) -> None:
    inner = loop("i") if mode == "items" else loop("i", mode="while", condition="{{ true }}")
    nested = graph(
        loop("o"),
        put("x"),
        inner,
        put("b"),
        put("c"),
        put("after"),
        "o:each>x",
        "x>i",
        "i:each>b",
        "b>c",
        "c>i",
        "i:done>after",
        "after>o",
    )
    ran = steps("o", "x/0", "i/0", "b/0/0", "c/0/0", "after/0")
    rest = {"x/0"} | ({"b/0/0"} if mode == "items" else set())
    assert kept(nested, {"c"}, ran) == (rest, reopened)
