"""Which worker owns which execution. Leases are on the database's clock; works across tenants."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from agentflow_app.core.database import database
from agentflow_app.core.lanes import system_lane

DUE = (
    "(e.status = 'pending'"
    " OR (e.status = 'running' AND e.lease_until <= now())"
    " OR (e.status = 'waiting' AND e.wake_at <= now()))"
)

# Of an organization that is suspended or deleted nothing is claimed, and what runs is not renewed.
OPEN = (
    "EXISTS (SELECT 1 FROM organizations o"
    " WHERE o.id = e.org_id AND o.suspended_at IS NULL AND o.deleted_at IS NULL)"
)

# Fair between organizations: whoever has the fewest running is next. An agent at its limit waits in order.
# Looked at are only the first of each agent's queue, so that a claim before ten thousand waiting runs costs
# little more than before ten: some more than asked for, since other workers claim the same ones meanwhile.
_CLAIM = f"""
    WITH RECURSIVE queues AS (
        (SELECT agent_id FROM executions WHERE status = 'pending'
            ORDER BY agent_id, priority DESC, created_at, id LIMIT 1)
        UNION ALL
        SELECT (SELECT e.agent_id FROM executions e WHERE e.status = 'pending' AND e.agent_id > q.agent_id
            ORDER BY e.agent_id, e.priority DESC, e.created_at, e.id LIMIT 1)
        FROM queues q WHERE q.agent_id IS NOT NULL
    ), busy AS (
        SELECT org_id, agent_id, count(*) AS running FROM executions
        WHERE status = 'running' GROUP BY org_id, agent_id
    ), waiting AS (
        SELECT e.* FROM queues q JOIN agents a ON a.id = q.agent_id
        LEFT JOIN busy b ON b.agent_id = q.agent_id,
        LATERAL (
            SELECT id, org_id, priority, created_at FROM executions
            WHERE status = 'pending' AND agent_id = q.agent_id ORDER BY priority DESC, created_at, id
            LIMIT least(10 + 4 * %(limit)s / (SELECT count(*) FROM queues), greatest(0,
                coalesce((a.settings ->> 'concurrency_limit')::int, 2147483647) - coalesce(b.running, 0)))
        ) e
        UNION SELECT id, org_id, priority, created_at FROM executions
            WHERE status = 'pending' AND cancel_requested
        UNION ALL SELECT id, org_id, priority, created_at FROM executions
            WHERE status = 'running' AND lease_until <= now()
        UNION ALL SELECT id, org_id, priority, created_at FROM executions
            WHERE status = 'waiting' AND wake_at <= now()
    ), turns AS (
        SELECT w.id, row_number() OVER (PARTITION BY w.org_id ORDER BY w.priority DESC, w.created_at, w.id)
            + coalesce(b.running, 0) AS turn
        FROM waiting w
        LEFT JOIN (SELECT org_id, sum(running) AS running FROM busy GROUP BY org_id) b USING (org_id)
    ), picked AS (
        SELECT e.id, e.status FROM executions e JOIN turns t ON t.id = e.id
        WHERE e.id = ANY(ARRAY(SELECT id FROM turns)) AND {DUE} AND {OPEN}
        ORDER BY t.turn, e.priority DESC, e.created_at LIMIT %(limit)s
        FOR UPDATE OF e SKIP LOCKED
    )
    UPDATE executions e
    SET status = 'running', epoch = e.epoch + 1, claims = e.claims + 1, lease_owner = %(owner)s,
        lease_until = now() + make_interval(secs => %(lease)s), claimed_at = now(), wake_at = NULL
    FROM picked WHERE e.id = picked.id
    RETURNING e.id, e.org_id, e.epoch, e.claims, e.active_ms, e.cancel_requested, e.claimed_at,
        picked.status
"""  # noqa: S608  # constants only

# A wait whose time has come is resolved here and nowhere else, unless somebody decided it first.
EXPIRE = text(
    """
    UPDATE execution_steps SET signal = '{"kind": "timer"}'
    WHERE execution_id = ANY(:ids) AND status IN ('waiting', 'waiting_approval')
        AND wait_until <= now() AND signal IS NULL
    """
)

_RENEW = text(
    f"""
    UPDATE executions e SET lease_until = now() + make_interval(secs => :lease)
    FROM unnest(cast(:ids AS uuid[]), cast(:epochs AS int[])) AS held(id, epoch)
    WHERE e.id = held.id AND e.epoch = held.epoch AND e.status = 'running' AND {OPEN}
    RETURNING e.id
    """  # noqa: S608  # constants only
)

_POLL = text(
    """
    SELECT e.id, e.epoch, e.cancel_requested, s.id AS step_id, s.signal
    FROM executions e LEFT JOIN execution_steps s
        ON s.execution_id = e.id AND s.signal IS NOT NULL
            AND s.status IN ('waiting', 'waiting_approval', 'uncertain')
    WHERE e.id = ANY(:ids)
    """
)

_RELEASE = text(
    """
    UPDATE executions SET lease_until = now(), lease_owner = NULL, claims = greatest(claims - 1, 0),
        active_ms = active_ms + (extract(epoch FROM now() - claimed_at) * 1000)::bigint
    WHERE id = :id AND epoch = :epoch AND status = 'running'
    """
)


@dataclass(frozen=True, slots=True)
class Claim:
    """Ownership of one execution since `claimed_at`. `claims` counts the claims since it last got further."""

    id: UUID
    org_id: UUID
    epoch: int
    claims: int
    active_ms: int
    cancel_requested: bool
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened to a held execution: cancelled, lost to another worker, or a step's wait resolved."""

    id: UUID
    epoch: int
    cancel_requested: bool
    step_id: UUID | None
    signal: dict[str, Any] | None


async def claim(owner: str, limit: int, lease_seconds: float) -> list[Claim]:
    """Takes up to `limit` due executions; timers that have passed become their steps' signals."""
    given = {"owner": owner, "limit": limit, "lease": lease_seconds}
    rows = (await system_lane().transact(None, [(_CLAIM.encode(), given)]))[0]
    waited = [row[0] for row in rows if row[-1] != "pending"]
    if waited:
        async with database().system() as tx:
            await tx.execute(EXPIRE, {"ids": waited})
    return [Claim(*row[:-1]) for row in rows]


async def renew(claims: Sequence[Claim], lease_seconds: float) -> set[UUID]:
    """Keeps the leases; the ids that are still ours."""
    async with database().system() as tx:
        rows = await tx.execute(
            _RENEW,
            {
                "ids": [each.id for each in claims],
                "epochs": [each.epoch for each in claims],
                "lease": lease_seconds,
            },
        )
        return set(rows.scalars())


async def poll(ids: Sequence[UUID]) -> list[Notice]:
    """What happened to executions that are being run."""
    async with database().system() as tx:
        await tx.execute(EXPIRE, {"ids": list(ids)})
        rows = (await tx.execute(_POLL, {"ids": list(ids)})).mappings()
        return [Notice(**row) for row in rows]


async def release(held: Claim) -> None:
    """Hands the lease back, so that another worker goes on at once."""
    async with database().system() as tx:
        await tx.execute(_RELEASE, {"id": held.id, "epoch": held.epoch})


async def due(limit: int) -> list[UUID]:
    """Executions that any worker could claim now; for the reconciler, which sends their wake-ups again."""
    async with database().system() as tx:
        rows = await tx.execute(
            text(f"SELECT e.id FROM executions e WHERE {DUE} AND {OPEN} LIMIT :limit"),  # noqa: S608
            {"limit": limit},
        )
        return list(rows.scalars())
