"""A worker process is killed at numbered points of its life: at each commit, request and acknowledgement.

`make test` tries some points by the seed, `make chaos` all of them.
"""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from agentflow_app.core.settings import Settings
from agentflow_app.executions.stream import follow
from agentflow_app.invariants import breaches
from engine.testing import LocalEgress
from tests.actors import Person, published, running
from tests.support.effort import some
from tests.support.event_order import contradictions
from tests.support.mixed_graphs import AT_LARGE, MIXED
from tests.support.mortal_worker import Mortal
from tests.support.outside import ENDED, Outside, outside
from tests.support.processes import PATIENCE, environment_over

NAP = 6.0
GRAPHS = ["waits", "rounds", "careful"]
TRIED = 3
FEWEST = 10
"""Points that every graph has at least: fewer, and something is not numbered any more."""


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    return environment_over(
        settings,
        AGENTFLOW_ALLOWED_PRIVATE_HOSTS="127.0.0.1",
        AGENTFLOW_RECONCILE_SECONDS="0.1",
        AGENTFLOW_POLL_SECONDS="0.1",
    )


async def _life(world: Outside, mortal: Mortal, run_id: str) -> dict[str, Any]:
    """Until its worker is dead, or the run has ended if it lives for ever."""
    mortal.start()
    try:
        while True:
            dead = mortal.dead
            run = await world.look(run_id)
            if dead or (mortal.fatal is None and run["status"] in ENDED):
                return run
            await asyncio.sleep(0.02)
    finally:
        mortal.stop()


async def _afterwards(world: Outside, run_id: str) -> dict[str, Any]:
    """Another worker takes over, at once."""
    world.end_lease(run_id)
    async with running("the next"):
        while (run := await world.look(run_id))["status"] not in ENDED:
            await asyncio.sleep(0.02)
    return run


async def _told(world: Outside, run_id: str) -> dict[Any, Any]:
    return {
        (step["node_id"], tuple(step["iteration"])): (
            step["status"],
            None if step["node_id"] in AT_LARGE | {"pay"} else _plain(step["output_data"]),
        )
        for step in await world.steps(run_id)
    }


def _plain(value: Any) -> Any:
    """Without what differs from run to run: delays' moments, servers' dates, and who decided."""
    varying = {*AT_LARGE, "pay", "headers", "decided_by"}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key not in varying}
    return [_plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.timeout(3 * PATIENCE)
async def test_wherever_it_is_killed_the_run_comes_to_the_same_end(
    name: str,
    alice: Person,
    environment: dict[str, str],
    postgres_url: str,
    local_egress: LocalEgress,
    tmp_path: Path,
) -> None:
    notes = tmp_path / "points"
    async with outside(alice, postgres_url) as world:
        agent_id = await published(alice, MIXED[name](world.url, NAP).to_json())
        first = await world.start(agent_id)
        undisturbed = Mortal(environment, notes, None)
        end = await _life(world, undisturbed, first)
        assert end["status"] == "completed", end
        whole = await _told(world, first)
        names = undisturbed.names
        assert len(names) >= FEWEST, names
        for number in some(len(names), TRIED, salt=name):
            run_id = await world.start(agent_id)
            mortal = Mortal(environment, notes, number)
            run = await _life(world, mortal, run_id)
            where = f"killed at point {number}, {mortal.names[-1]}"
            assert len(mortal.names) == number, where
            interrupted = {s["node_id"] for s in await world.steps(run_id) if s["status"] == "running"}
            if run["status"] not in ENDED:
                run = await _afterwards(world, run_id)
            assert (run["status"], _plain(run["output"])) == (end["status"], _plain(end["output"])), where
            assert await _told(world, run_id) == whole, where
            events = [event async for event in follow(alice.actor, UUID(run_id)) if "seq" in event]
            assert contradictions(events) == [], where
            _check_effects(world, first, run_id, interrupted, where)
    with psycopg.connect(postgres_url) as connection:
        assert list(breaches(connection)) == []


def _check_effects(world: Outside, first: str, run_id: str, interrupted: set[str], where: str) -> None:
    """The same ones under the same keys; twice only what was under way, and may be repeated."""
    done = world.sink.by_run()
    assert set(done[run_id]) == set(done[first]), where
    for place, times in done[run_id].items():
        node_id = place.partition(":")[0]
        assert times == 1 or (times == 2 and node_id in interrupted - {"pay"}), (
            f"{where}: {place} {times} times"
        )
