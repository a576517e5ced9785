"""Whether the audit trail is as it was written: each entry's hash holds it and the entry before."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

from agentflow_app.audit.schemas import ChainOut
from agentflow_app.core.database import Transaction
from agentflow_app.core.tenancy import Actor

# The digest is the database's own function, the same that linked the entries.
_CHECK = """
    WITH linked AS (
        SELECT org_id, seq, hash, prev_hash, audit_digest(a) AS digest,
            lag(hash, 1, ''::bytea) OVER chain AS before, row_number() OVER chain AS place
        FROM audit_logs a {where}
        WINDOW chain AS (PARTITION BY org_id ORDER BY seq)
    ), checked AS (
        SELECT org_id, count(*) AS entries,
            min(place) FILTER (WHERE hash <> digest OR prev_hash <> before OR seq <> place) AS broken_at
        FROM linked GROUP BY org_id
    )
    SELECT head.org_id, coalesce(entries, 0) AS entries, encode(head.hash, 'hex') AS head,
        coalesce(
            broken_at,
            CASE WHEN head.seq <> coalesce(entries, 0) THEN coalesce(entries, 0) + 1 END,
            CASE WHEN NOT EXISTS (
                SELECT 1 FROM linked WHERE linked.org_id = head.org_id AND linked.hash = head.hash
            ) THEN head.seq END
        ) AS broken_at
    FROM audit_heads head LEFT JOIN checked USING (org_id) {where_head}
    ORDER BY head.org_id
"""
_OWN = text(_CHECK.format(where="WHERE a.org_id = :org", where_head="WHERE head.org_id = :org"))  # constants
_ALL = text(_CHECK.format(where="", where_head=""))


def _out(row: Mapping[Any, Any]) -> ChainOut:
    broken = row["broken_at"]
    return ChainOut(entries=row["entries"], head=row["head"], intact=broken is None, broken_at=broken)


async def check(tx: Transaction, actor: Actor) -> ChainOut:
    """The actor's own organization's chain."""
    actor.require("audit:read")
    row = (await tx.execute(_OWN, {"org": actor.org_id})).mappings().one_or_none()
    return _out(row) if row else ChainOut(entries=0, head="", intact=True, broken_at=None)


def check_all(connection: Connection) -> dict[str, ChainOut]:
    """Every organization's, over a connection of the owner."""
    return {str(row["org_id"]): _out(row) for row in connection.execute(_ALL).mappings()}
