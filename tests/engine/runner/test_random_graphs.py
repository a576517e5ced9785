"""Graphs nobody thought of: an interrupted execution ends like one that is not, and as the rules say."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Definition, Parked, validate
from engine.graph import Graph
from engine.testing import FakeClock
from tests.engine.graphs import edge, fails, graph, node, put, write
from tests.engine.runner.host import Crash, ExplodingJournal, Host, ended

KINDS = {
    "set": lambda name: put(name, {"at": name}),
    "template": lambda name: write(name, name),
    "true": lambda name: node(name, "logic.if_else", {"condition": "1"}),
    "false": lambda name: node(name, "logic.if_else", {"condition": "0"}),
    "switch": lambda name: node(name, "logic.switch", {"value": "b", "cases": ["a", "b"]}),
    "all": lambda name: node(name, "logic.merge"),
    "any": lambda name: node(name, "logic.merge", {"mode": "any"}),
    "nap": lambda name: node(name, "logic.delay", {"seconds": 60}),
    "ask": lambda name: node(name, "human.approval", {"message": "?"}),
    "off": lambda name: put(name, disabled=True),
    "continue": lambda name: fails(name, on_error="continue"),
    "branch": lambda name: fails(name, on_error="branch"),
}
HANDLES = {
    "true": ["true", "false"],
    "false": ["true", "false"],
    "switch": ["a", "b", "default"],
    "ask": ["approved", "rejected"],
    "branch": ["out", "error"],
}


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=9))
    parts: list = [KINDS[kind](f"n{number}") for number, kind in enumerate(kinds)]
    for target in range(1, len(kinds)):
        for source in draw(st.sets(st.integers(0, target - 1), max_size=3)):
            handle = draw(st.sampled_from(HANDLES.get(kinds[source], ["out"])))
            condition = draw(st.sampled_from([None, None, "trigger.data", "not trigger.data"]))
            parts.append(edge(f"n{source}:{handle}>n{target}", condition=condition))
    return graph(*parts)


async def outcome(definition: Definition, crash_at: int | None, *, after: bool) -> tuple:
    clock = FakeClock()
    journal = ExplodingJournal(clock=clock, at=crash_at, after=after)
    host = Host(definition, True, clock=clock, journal=journal)
    for _ in range(60):
        try:
            found = await host.run()
        except Crash:
            continue
        if not isinstance(found, Parked):
            end = ended(found)
            return end.status, end.output, host.statuses
        for step in list(journal.steps.values()):
            if step.status == "waiting_approval":
                journal.signal(step.step_id, {"kind": "approval", "decision": "approved"})
        if found.waiting_for.until is not None:
            clock.advance(60)
    raise AssertionError("it never ends")


@settings(max_examples=200, deadline=None)
@given(definitions(), st.integers(1, 8), st.booleans())
async def test_interrupted_or_not_it_ends_the_same(definition, crash_at, after):
    whole = await outcome(definition, None, after=False)
    assert await outcome(definition, crash_at, after=after) == whole
    status, _, statuses = whole
    assert status == "completed"
    assert set(statuses) == {each.id for each in definition.nodes}
    assert set(statuses.values()) <= {"completed", "skipped", "failed"}


@settings(max_examples=60, deadline=None)
@given(definitions())
async def test_a_completed_node_has_a_way_in_that_was_taken(definition):
    _, _, statuses = await outcome(definition, None, after=False)
    incoming = Graph(definition).incoming
    for node_id, found in statuses.items():
        sources = [statuses[each.source] for each in incoming[node_id]]
        if found != "skipped" and sources:
            assert set(sources) != {"skipped"} or any(
                definition.node(each.source).disabled for each in incoming[node_id]
            )
        if not sources and not definition.node(node_id).disabled:
            assert found != "skipped"


@settings(max_examples=60, deadline=None)
@given(definitions())
def test_what_is_drawn_here_is_sound(definition):
    assert {problem.code for problem in validate(definition)} <= {"UNUSED_BRANCH"}
