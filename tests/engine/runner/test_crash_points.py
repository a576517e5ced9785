"""One run for every point at which a worker can die: each comes to what the undisturbed run came to."""

from collections import Counter
from typing import Any

import pytest

from tests.engine.runner.crash_points import EXECUTION, Life
from tests.support.event_order import contradictions
from tests.support.mixed_graphs import AT_LARGE, MIXED, Made

URL = "http://sink.test"
NAP = 60.0
AROUND = {f"{when} {what}" for when in ("before", "after") for what in ("load", "write", "finish")}


def told(life: Life) -> dict[Any, Any]:
    """What the steps came to, without what may differ between two runs that nobody disturbed."""
    return {
        (step.node_id, step.iteration): (
            step.status,
            step.handle,
            None if step.node_id in AT_LARGE | {"pay"} else _plain(step.output),
        )
        for step in life.journal.steps.values()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key not in (*AT_LARGE, "pay")}
    return [_plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("made", MIXED.values(), ids=MIXED)
async def test_wherever_the_worker_dies_the_run_comes_to_the_same_end(made: Made) -> None:
    definition = made(URL, NAP)
    whole = Life(definition)
    end = await whole.run()
    assert end.status == ("failed" if made.__name__ == "breaks" else "completed")
    assert set(whole.sink.done.values()) == {1}
    paths = whole.sink.paths
    assert not contradictions(whole.journal.events)
    assert set(whole.points.names) >= AROUND | {
        f"{when} {path}" for when in ("before", "after") for path in paths
    }
    for number in range(1, whole.points.count + 1):
        life = Life(definition, fatal=number)
        where = f"dead at point {number}, {whole.points.names[number - 1]}"
        again = await life.run()
        assert life.died, where
        assert (again.status, again.output) == (end.status, end.output), where
        assert (again.error or {}).get("code") == (end.error or {}).get("code"), where
        assert told(life) == told(whole), where
        assert contradictions(life.journal.events) == [], where
        assert_effects(whole, life, where)


def assert_effects(whole: Life, life: Life, where: str) -> None:
    """The same ones under the same keys; twice only what was under way at the death, and may be repeated."""
    assert set(life.sink.done) == set(whole.sink.done), where
    twice = Counter(key for key, times in life.sink.done.items() if times > 1)
    allowed = {key for key in twice if _node_of(key) in life.interrupted - {"pay"}}
    assert set(twice) <= allowed, where
    assert set(life.sink.done.values()) <= {1, 2}, where


def _node_of(key: str) -> str:
    execution, node_id, _ = key.split(":")
    assert execution == EXECUTION
    return node_id
