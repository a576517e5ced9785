"""Each rule finds the one thing that was made wrong for it, and nothing else."""

from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from agentflow_app.core.ids import new_id
from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.invariants import Breach, breaches
from tests.actors import GREETING, Person, definition, ended, node, published
from tests.executions.test_resuming import start, steps_of

Connection = psycopg.Connection[tuple[object, ...]]
CORRUPTIONS = {
    "ticks_with_two_runs": """
        UPDATE executions SET triggered_by = 'schedule', trigger = jsonb_build_object(
            'node_id', 'clock', 'data', jsonb_build_object('scheduled_at', '2030-01-01T00:00:00Z'))
        WHERE agent_id = %(agent)s""",
    "open_steps_of_ended_runs": "UPDATE execution_steps SET status = 'waiting_approval' WHERE id = %(step)s",
    "running_without_owner": "UPDATE executions SET status = 'running' WHERE id = %(run)s",
    "waiting_for_nothing": "UPDATE executions SET status = 'waiting' WHERE id = %(run)s",
    "waiting_for_ended_runs": """
        INSERT INTO executions SELECT (jsonb_populate_record(e, jsonb_build_object('id', '%(nothing)s',
            'status', 'waiting', 'event_seq', 0))).* FROM executions e WHERE id = '%(run)s';
        INSERT INTO execution_steps SELECT (jsonb_populate_record(s, jsonb_build_object('id', '%(nothing)s',
            'execution_id', '%(nothing)s', 'status', 'waiting',
            'waiting_for', jsonb_build_object('kind', 'child')))).* FROM execution_steps s
            WHERE id = '%(step)s';
        UPDATE executions SET parent_step_id = '%(nothing)s' WHERE id = '%(run)s'""",
    "gaps_in_events": "DELETE FROM execution_events WHERE execution_id = %(run)s AND seq = 1",
    "completed_steps_run_again": """
        UPDATE execution_events SET event = event || jsonb_build_object('type', 'step.started', 'step_id',
            (SELECT v.event ->> 'step_id' FROM execution_events v WHERE v.execution_id = %(run)s
                AND v.event ->> 'type' = 'step.completed' ORDER BY seq LIMIT 1))
        WHERE execution_id = %(run)s AND event ->> 'type' = 'execution.completed'""",
    "totals_that_do_not_add_up": "UPDATE execution_steps SET cost = 1 WHERE id = %(step)s",
    "usage_that_does_not_add_up": "DELETE FROM usage_records WHERE execution_id = %(run)s AND quantity = 1",
    "lost_payloads": "UPDATE executions SET output_ref = %(other)s WHERE id = %(run)s",
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
    agent_id = await published(alice, GREETING)
    for run_id in (await start(alice, agent_id), await start(alice, agent_id)):
        await ended(alice, run_id)
    step_id = (await steps_of(alice, run_id))["greet"]["id"]
    given = {
        "agent": agent_id,
        "run": run_id,
        "step": step_id,
        "other": str(mallory.org_id),
        "nothing": str(new_id()),
    }
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


@pytest.mark.parametrize(
    ("headers", "body", "header_of_another"),
    [
        ({"Idempotency-Key": "k1"}, {"n": 1}, {"Idempotency-Key": "k2"}),
        ({"X-GitHub-Delivery": "d1"}, {"n": 1}, {"X-GitHub-Delivery": "d2"}),
        ({"Webhook-Id": "msg_1"}, {"id": "msg_1"}, {}),
    ],
    ids=["key", "delivery", "the body's id says nothing by itself"],
)
async def test_a_delivery_with_two_runs_is_found(
    alice: Person,
    anonymous: httpx.AsyncClient,
    owner: Callable[[], Connection],
    headers: dict[str, str],
    body: dict[str, Any],
    header_of_another: dict[str, str],
) -> None:
    agent_id = await published(alice, definition(node("hook", "trigger.webhook")))
    agent = (await alice.client.get(f"/agents/{agent_id}")).json()
    url = agent["trigger_config"]["webhook_url"].removeprefix("/api/v1")
    first = (await anonymous.post(url, json=body, headers=headers)).json()["execution_id"]
    again = (await anonymous.post(url, json=body, headers=headers)).json()["execution_id"]
    other = (await anonymous.post(url, json=body, headers=header_of_another)).json()["execution_id"]
    assert (first == again, first == other) == (True, False)
    with owner() as connection:
        assert set(breaches(connection)) == set()
        connection.execute(
            "UPDATE executions SET trigger = (SELECT trigger FROM executions WHERE id = %s) WHERE id = %s",
            (first, other),
        )
        found = list(breaches(connection))
        connection.rollback()
    assert [breach.rule for breach in found] == ["deliveries_with_two_runs"]
    assert first in found[0].detail
    assert other in found[0].detail
