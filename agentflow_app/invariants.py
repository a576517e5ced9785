"""What must hold in every database: rules in SQL, each finding the rows that break it.

`agentflow doctor --invariants` runs them as the owner, over all organizations.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

import psycopg
from psycopg import sql

from agentflow_app.core.embedded.addresses import with_embedded
from agentflow_app.core.settings import settings

SHOWN = 20
"""Rows of one rule that are named; the others are counted."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`query` answers with (what, where): an id and what is wrong with it."""

    name: str
    meaning: str
    query: str


@dataclass(frozen=True, slots=True)
class Breach:
    rule: str
    id: str
    detail: str


RULES = (
    Rule(
        "deliveries_with_two_runs",
        "what was delivered twice is one run, for as long as the delivery is known",
        """
        SELECT k.id, 'one delivery has the runs ' || string_agg(e.id::text, ', ' ORDER BY e.id)
        FROM idempotency_keys k JOIN executions e ON e.agent_id = k.caller_id AND e.created_at >= k.created_at
            AND e.triggered_by = 'webhook' AND e.trigger ->> 'method' = k.method
        WHERE (k.path = '/hooks' AND k.key = e.trigger -> 'headers' ->> 'idempotency-key')
            OR (k.path = '/hooks/deliveries' AND NOT e.trigger -> 'headers' ? 'idempotency-key'
                AND k.key = encode(sha256(convert_to(CASE
                    WHEN e.trigger -> 'headers' ? 'stripe-signature' THEN e.trigger -> 'data' ->> 'id'
                    WHEN e.trigger -> 'headers' ? 'x-slack-signature' THEN e.trigger -> 'data' ->> 'event_id'
                    ELSE coalesce(e.trigger -> 'headers' ->> 'webhook-id',
                        e.trigger -> 'headers' ->> 'x-github-delivery') END, 'UTF8')), 'hex'))
        GROUP BY k.id HAVING count(*) > 1
        """,
    ),
    Rule(
        "ticks_with_two_runs",
        "each tick of a schedule is one run",
        """
        SELECT min(e.id::text), count(*) || ' runs have the tick of '
            || (e.trigger -> 'data' ->> 'scheduled_at') || ' at ' || (e.trigger ->> 'node_id')
        FROM executions e WHERE e.triggered_by = 'schedule'
        GROUP BY e.agent_id, e.trigger ->> 'node_id', e.trigger -> 'data' ->> 'scheduled_at'
        HAVING count(*) > 1
        """,
    ),
    Rule(
        "open_steps_of_ended_runs",
        "what has ended has no open steps",
        """
        SELECT s.id, 'step ' || s.node_id || ' is ' || s.status || ' in a run that is ' || e.status
        FROM execution_steps s JOIN executions e ON e.id = s.execution_id
        WHERE e.status IN ('completed', 'failed', 'cancelled')
            AND s.status IN ('pending', 'running', 'retrying', 'waiting', 'waiting_approval', 'uncertain')
        """,
    ),
    Rule(
        "running_without_owner",
        "what runs has a lease, and somebody who holds it or may take it over",
        """
        SELECT id, 'running without a lease' FROM executions
        WHERE status = 'running' AND (lease_until IS NULL OR (lease_owner IS NULL AND lease_until > now()))
        """,
    ),
    Rule(
        "waiting_for_nothing",
        "what waits has a time, or a step that somebody or something answers",
        """
        SELECT e.id, 'waits without a timer, and no step of it waits' FROM executions e
        WHERE e.status = 'waiting' AND e.wake_at IS NULL AND NOT EXISTS (
            SELECT 1 FROM execution_steps s WHERE s.execution_id = e.id
                AND (s.status IN ('waiting_approval', 'uncertain')
                    OR (s.status = 'waiting' AND s.waiting_for ->> 'kind' <> 'timer')))
        """,
    ),
    Rule(
        "waiting_for_ended_runs",
        "who waits for a run hears of its end",
        """
        SELECT s.id, 'step ' || s.node_id || ' waits for the run ' || c.id || ', which is ' || c.status
        FROM execution_steps s JOIN executions c ON c.parent_step_id = s.id
        WHERE s.status = 'waiting' AND s.signal IS NULL
            AND c.status IN ('completed', 'failed', 'cancelled')
        """,
    ),
    Rule(
        "lost_payloads",
        "what is stored beside a run is there, as its rows say",
        """
        SELECT e.id, 'payload ' || r.ref || ' is not there' FROM executions e JOIN (
            SELECT id AS execution_id, unnest(ARRAY[trigger_ref, output_ref]) AS ref FROM executions
            WHERE trigger_ref IS NOT NULL OR output_ref IS NOT NULL
            UNION ALL SELECT execution_id, unnest(ARRAY[input_ref, output_ref]) FROM execution_steps
            WHERE input_ref IS NOT NULL OR output_ref IS NOT NULL
        ) r ON r.execution_id = e.id
        WHERE r.ref IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM payloads p WHERE p.execution_id = e.id AND p.id = r.ref)
        """,
    ),
    Rule(
        "gaps_in_events",
        "events are numbered from 1 to event_seq",
        """
        SELECT e.id, 'has ' || coalesce(v.count, 0) || ' events up to ' || coalesce(v.last, 0)
            || ', event_seq is ' || e.event_seq
        FROM executions e LEFT JOIN (
            SELECT execution_id, count(*) AS count, max(seq) AS last FROM execution_events GROUP BY 1
        ) v ON v.execution_id = e.id
        WHERE coalesce(v.count, 0) <> e.event_seq OR coalesce(v.last, 0) <> e.event_seq
        """,
    ),
    Rule(
        "completed_steps_run_again",
        "a completed step is never begun or completed again",
        """
        SELECT again.event ->> 'step_id',
            'completed at event ' || done.seq || ' and ' || (again.event ->> 'type') || ' at ' || again.seq
        FROM execution_events done JOIN execution_events again ON again.execution_id = done.execution_id
            AND again.seq > done.seq AND again.event ->> 'step_id' = done.event ->> 'step_id'
            AND again.event ->> 'type' IN ('step.started', 'step.completed')
        WHERE done.event ->> 'type' = 'step.completed'
        """,
    ),
    Rule(
        "totals_that_do_not_add_up",
        "a run has consumed what its steps have",
        """
        SELECT e.id, 'total_tokens is ' || e.total_tokens || ', its steps have ' || s.tokens
        FROM executions e JOIN (
            SELECT execution_id, sum(tokens_used) AS tokens, sum(cost) AS cost FROM execution_steps GROUP BY 1
        ) s ON s.execution_id = e.id
        WHERE e.status IN ('completed', 'failed', 'cancelled')
            AND (e.total_tokens <> s.tokens OR e.total_cost <> s.cost)
        """,
    ),
    Rule(
        "usage_that_does_not_add_up",
        "what has ended is billed once and wholly, a dry run never",
        """
        SELECT e.id, 'usage records say ' || coalesce(u.runs, 0) || ' runs and ' || coalesce(u.tokens, 0)
            || ' tokens, the run has ' || e.total_tokens
        FROM executions e LEFT JOIN (
            SELECT execution_id, sum(quantity) FILTER (WHERE record_type = 'execution') AS runs,
                sum(quantity) FILTER (WHERE record_type = 'tokens') AS tokens,
                sum(unit_cost) FILTER (WHERE record_type = 'execution') AS cost
            FROM usage_records GROUP BY 1
        ) u ON u.execution_id = e.id
        WHERE e.status IN ('completed', 'failed', 'cancelled')
            AND CASE WHEN e.dry_run THEN u.execution_id IS NOT NULL
                ELSE coalesce(u.runs, 0) <> 1 OR coalesce(u.tokens, -1) <> e.total_tokens
                    OR coalesce(u.cost, -1) <> e.total_cost END
        """,
    ),
)

_KEYS = """
    SELECT child.relname, mine.attname, parent.relname, theirs.attname,
        EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = child.oid AND a.attname = 'org_id')
            AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = parent.oid AND a.attname = 'org_id')
    FROM pg_constraint k
        JOIN pg_class child ON child.oid = k.conrelid
        JOIN pg_class parent ON parent.oid = k.confrelid
        JOIN pg_attribute mine ON mine.attrelid = child.oid AND mine.attnum = k.conkey[1]
        JOIN pg_attribute theirs ON theirs.attrelid = parent.oid AND theirs.attnum = k.confkey[1]
    WHERE k.contype = 'f' AND cardinality(k.conkey) = 1 AND child.relnamespace = 'public'::regnamespace
    ORDER BY 1, 2
"""
_ORPHANS = """
    SELECT c.{mine}::text, {told} FROM {child} c
    WHERE c.{mine} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {parent} p WHERE p.{theirs} = c.{mine})
"""
_CROSSING = """
    SELECT c.{mine}::text, {told} FROM {child} c JOIN {parent} p ON p.{theirs} = c.{mine}
    WHERE c.org_id <> p.org_id
"""


def examine_rows(out: TextIO) -> int:
    """Writes what breaks a rule and returns the exit code: 1 when something does."""
    counts: dict[str, int] = {}
    with psycopg.connect(with_embedded(settings()).database_url, connect_timeout=3) as connection:
        for breach in breaches(connection):
            counts[breach.rule] = counts.get(breach.rule, 0) + 1
            if counts[breach.rule] <= SHOWN:
                out.write(f"  ✗ {breach.rule:<28} {breach.id}: {breach.detail}\n")
    for rule, count in counts.items():
        out.write(f"\n{rule}: {count}")
    out.write("\n" if counts else "\nEvery rule holds.\n")
    return 1 if counts else 0


def breaches(connection: "psycopg.Connection[tuple[object, ...]]") -> Iterator[Breach]:
    """All that is not as it must be. The connection is the owner's, who sees every organization."""
    yield from broken_rules(connection)
    yield from misplaced_rows(connection)


def broken_rules(connection: "psycopg.Connection[tuple[object, ...]]") -> Iterator[Breach]:
    """What breaks one of the rules above."""
    for rule in RULES:
        for found in connection.execute(rule.query.encode()):
            yield Breach(rule.name, str(found[0]), str(found[1]))


def misplaced_rows(connection: "psycopg.Connection[tuple[object, ...]]") -> Iterator[Breach]:
    """What names a row that is not there, or one of another organization."""
    for child, mine, parent, theirs, tenants in connection.execute(_KEYS).fetchall():
        names = {
            "child": sql.Identifier(str(child)),
            "mine": sql.Identifier(str(mine)),
            "parent": sql.Identifier(str(parent)),
            "theirs": sql.Identifier(str(theirs)),
        }
        lost = sql.Literal(f"{child}.{mine} names no {parent}")
        for found in connection.execute(sql.SQL(_ORPHANS).format(told=lost, **names)):
            yield Breach("orphans", str(found[0]), str(found[1]))
        if tenants:
            crossed = sql.Literal(f"{child}.{mine} names a {parent} of another organization")
            for found in connection.execute(sql.SQL(_CROSSING).format(told=crossed, **names)):
                yield Breach("rows_crossing_tenants", str(found[0]), str(found[1]))
