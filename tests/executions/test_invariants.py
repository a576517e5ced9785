"""Each rule finds the one thing that was made wrong for it, and nothing else."""

from collections.abc import Callable

import psycopg
import pytest

from agentflow_app.core.ids import new_id
from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.invariants import Breach, breaches
from tests.actors import GREETING, Person, ended, published
from tests.executions.test_resuming import start, steps_of

Connection = psycopg.Connection[tuple[object, ...]]
CORRUPTIONS = {
    "open_steps_of_ended_runs": "UPDATE execution_steps SET status = 'waiting_approval' WHERE id = %(step)s",
    "running_without_owner": "UPDATE executions SET status = 'running' WHERE id = %(run)s",
    "waiting_for_nothing": "UPDATE executions SET status = 'waiting' WHERE id = %(run)s",
    "gaps_in_events": "DELETE FROM execution_events WHERE execution_id = %(run)s AND seq = 1",
    "completed_steps_run_again": """
        UPDATE execution_events SET event = event || jsonb_build_object('type', 'step.started', 'step_id',
            (SELECT v.event ->> 'step_id' FROM execution_events v WHERE v.execution_id = %(run)s
                AND v.event ->> 'type' = 'step.completed' ORDER BY seq LIMIT 1))
        WHERE execution_id = %(run)s AND event ->> 'type' = 'execution.completed'""",
    "totals_that_do_not_add_up": "UPDATE execution_steps SET cost = 1 WHERE id = %(step)s",
    "usage_that_does_not_add_up": "DELETE FROM usage_records WHERE execution_id = %(run)s AND quantity = 1",
    "orphans": """
        SET LOCAL session_replication_role = replica;
        UPDATE executions SET agent_version_id = '%(nothing)s' WHERE id = '%(run)s'""",
    "rows_crossing_tenants": "UPDATE execution_steps SET org_id = %(other)s WHERE id = %(step)s",
}


@pytest.fixture
def owner(postgres_url: str) -> Callable[[], Connection]:
    return lambda: psycopg.connect(postgres_url)


@pytest.mark.parametrize("rule", CORRUPTIONS)
async def test_a_rule_finds_exactly_what_breaks_it(
    alice: Person, mallory: Person, runtime: ExecutionRuntime, owner: Callable[[], Connection], rule: str
) -> None:
    run_id = await start(alice, await published(alice, GREETING))
    await ended(alice, run_id)
    step_id = (await steps_of(alice, run_id))["greet"]["id"]
    given = {"run": run_id, "step": step_id, "other": str(mallory.org_id), "nothing": str(new_id())}
    with owner() as connection:
        before = set(breaches(connection))
        statement = CORRUPTIONS[rule]
        if ";" in statement:
            connection.execute((statement % given).encode())
        else:
            connection.execute(statement.encode(), given)
        found: set[Breach] = set(breaches(connection)) - before
        connection.rollback()
    assert {breach.rule for breach in found} == {rule}
    assert len(found) == 1
    assert before == set(), before
