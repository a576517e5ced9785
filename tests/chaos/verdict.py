"""Whether everything that was accepted came to what it should, once."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import psycopg

from agentflow_app.invariants import breaches
from tests.chaos.load import Started
from tests.engine.runner.crash_points import EXECUTION, Life
from tests.support.counting import Sink
from tests.support.event_order import contradictions
from tests.support.mixed_graphs import MIXED

UNREPEATABLE = "pay:-"


async def undisturbed() -> dict[str, tuple[str, Any, str | None, set[str]]]:
    """By graph: status, output, the error's code and the effects of a run that nobody disturbed."""
    found = {}
    for name, made in MIXED.items():
        life = Life(made("http://sink.test", 60.0))
        end = await life.run()
        effects = set(life.sink.by_run()[EXECUTION])
        found[name] = (end.status, end.output, (end.error or {}).get("code"), effects)
    return found


def faults(
    owner_url: str,
    accepted: Iterable[Started],
    sink: Sink,
    expected: dict[str, tuple[str, Any, str | None, set[str]]],
) -> list[str]:
    """All that is wrong, one line each."""
    found: list[str] = []
    with psycopg.connect(owner_url) as connection:
        rows = {
            row[0]: row[1:]
            for row in connection.execute("SELECT id::text, status, output, error FROM executions").fetchall()
        }
        events: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for run_id, event in connection.execute(
            "SELECT execution_id::text, event FROM execution_events ORDER BY execution_id, seq"
        ).fetchall():
            events[run_id].append(event)
        found += [f"{breach.rule} {breach.id}: {breach.detail}" for breach in breaches(connection)]
    runs = {started.run_id: started for started in accepted}
    keys = Counter(started.key for started in runs.values())
    found += [f"{key} has {times} runs" for key, times in keys.items() if times > 1]
    found += [f"{run_id} was accepted and is not there" for run_id in runs if run_id not in rows]
    found += [f"{run_id} is there and was not accepted" for run_id in rows if run_id not in runs]
    effects = sink.by_run()
    for run_id, started in runs.items():
        if run_id not in rows:
            continue
        status, output, code, wanted = expected[started.graph]
        is_status, is_output, is_error = rows[run_id]
        is_code = (is_error or {}).get("code")
        if (is_status, is_output, is_code) != (status, output, code):
            found.append(f"{run_id} ({started.graph}) is {is_status} {is_output} {is_error}")
        done = effects.get(run_id, {})
        if set(done) != wanted:
            found.append(f"{run_id} ({started.graph}) did {sorted(done)}, not {sorted(wanted)}")
        if done.get(UNREPEATABLE, 1) != 1:
            found.append(f"{run_id} did {done[UNREPEATABLE]} times what must not be repeated")
        found += [f"{run_id}: {wrong}" for wrong in contradictions(events[run_id])]
    return found
