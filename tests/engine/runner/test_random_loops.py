"""Graphs with loops in loops that nobody thought of: however slow its steps are and wherever its worker dies,
an execution comes to the same end, and no step that has completed runs again."""

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import Definition, Parked, validate
from engine.testing import FakeClock
from tests.engine.graphs import edge, fails, graph, node, put
from tests.engine.runner.host import Crash, ExplodingJournal, Host, ended

HANDLES = {
    "if": ["true", "false"],
    "ask": ["approved", "rejected"],
    "branch": ["out", "error"],
    "loop": ["done"],
    "while": ["done"],
}
SIMPLE = ["set", "if", "nap", "long", "ask", "off", "merge", "continue", "branch"]
PACE = "{{ (trigger.data.pace * %d + loop.index0 | default(1)) %% 7 / 2 }}"


def made(kind: str, name: str, number: int) -> dict[str, Any]:
    match kind:
        case "set":
            return put(name, {"at": name, "item": "{{ item | default('none') }}"})
        case "if":
            return node(name, "logic.if_else", {"condition": "(loop.index0 | default(0)) % 2 == 0"})
        case "nap":
            return node(name, "logic.delay", {"seconds": PACE % (number + 1)})
        case "long":
            return node(name, "logic.delay", {"seconds": 60})
        case "ask":
            return node(name, "human.approval", {"message": "?"})
        case "off":
            return put(name, disabled=True)
        case "merge":
            return node(name, "logic.merge")
        case "continue":
            return fails(name, on_error="continue")
        case _:
            return fails(name, on_error="branch")


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    parts: list[Any] = []
    count = 0

    def region(depth: int, loop: str | None) -> None:
        nonlocal count
        kinds = draw(
            st.lists(st.sampled_from([*SIMPLE, *(["loop", "while"] if depth < 2 else [])]), max_size=4)
        )
        names: list[tuple[str, str]] = []
        for kind in kinds:
            name = f"n{count}"
            count += 1
            sources = draw(st.sets(st.sampled_from(names), max_size=2)) if names else set()
            if loop is not None and (not sources or draw(st.booleans())):
                parts.append(edge(f"{loop}:each>{name}"))
            for source, of in sorted(sources):
                condition = draw(st.sampled_from([None, None, "loop.index0 != 1"])) if loop else None
                handle = draw(st.sampled_from(HANDLES.get(of, ["out"])))
                parts.append(edge(f"{source}:{handle}>{name}", condition=condition))
            names.append((name, kind))
            if kind == "loop":
                items = list(range(draw(st.integers(0, 3))))
                config = {"items": items, "max_concurrency": draw(st.integers(1, 3))}
                parts.append(node(name, "logic.loop", config))
                region(depth + 1, name)
            elif kind == "while":
                condition = f"loop.index0 < {draw(st.integers(0, 2))}"
                parts.append(node(name, "logic.loop", {"mode": "while", "condition": condition}))
                region(depth + 1, name)
            else:
                parts.append(made(kind, name, count))
        if loop is not None:
            for name, kind in draw(st.sets(st.sampled_from(names), max_size=2)) if names else ():
                handle = draw(st.sampled_from(HANDLES.get(kind, ["out"])))
                parts.append(edge(f"{name}:{handle}>{loop}"))

    region(0, None)
    return graph(*parts)


async def outcome(
    definition: Definition, pace: int, crash_at: int | None = None, *, after: bool = False
) -> tuple[Any, ...]:
    clock = FakeClock()
    journal = ExplodingJournal(clock=clock, at=crash_at, after=after)
    host = Host(definition, {"pace": pace}, clock=clock, journal=journal)
    for _ in range(200):
        _, task = host.start()
        while not task.done():
            await asyncio.sleep(0)
            if clock.sleepers:
                clock.advance(0.25)
        try:
            found = task.result()
        except Crash:
            continue
        if not isinstance(found, Parked):
            end = ended(found)
            steps = {
                (step.node_id, step.iteration): (step.status, known(step)) for step in journal.steps.values()
            }
            return end.status, timeless(end.output), steps
        for step in list(journal.steps.values()):
            if step.status == "waiting_approval":
                journal.signal(step.step_id, {"kind": "approval", "decision": "approved"})
        if found.waiting_for.until is not None:
            clock.advance(60)
    raise AssertionError("it never ends")


def known(step: Any) -> Any:
    return timeless(step.output)


def timeless(value: Any) -> Any:
    """Without what delays say about the time."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key != "waited_until"}
    return [timeless(item) for item in value] if isinstance(value, list) else value


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(definitions(), st.integers(0, 5), st.integers(1, 12), st.booleans())
async def test_slow_or_fast_interrupted_or_not_it_ends_the_same(definition, pace, crash_at, after):
    whole = await outcome(definition, 0)
    assert whole[0] == "completed"
    assert await outcome(definition, pace, crash_at, after=after) == whole


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(definitions())
async def test_each_node_has_a_step_and_each_round_one_of_each(definition):
    _, _, steps = await outcome(definition, 0)
    assert {node_id for node_id, _ in steps} == {each.id for each in definition.nodes}
    for each in definition.nodes:
        rounds = [step for step in steps if step[0] == each.id]
        assert (
            len({len(iteration) for _, iteration in rounds if steps[each.id, iteration][0] != "skipped"}) <= 1
        )


@settings(max_examples=100, deadline=None)
@given(definitions())
def test_what_is_drawn_here_is_sound(definition):
    """But for `item` and `loop`, which stand outside of loops, too."""
    errors = {problem.code for problem in validate(definition) if problem.severity == "error"}
    assert errors <= {"UNKNOWN_REFERENCE"}
