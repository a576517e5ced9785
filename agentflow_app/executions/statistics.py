"""Figures over executions. Dry runs do not count."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Float, cast, func, select
from sqlmodel import col

from agentflow_app.agents.schemas import AgentStats
from agentflow_app.core.database import Transaction
from agentflow_app.executions.models import Execution


async def agent_statistics(tx: Transaction, agent_ids: Sequence[UUID]) -> dict[UUID, AgentStats]:
    """Per agent; one without a run is absent."""
    if not agent_ids:
        return {}
    ended = col(Execution.status).in_(("completed", "failed"))
    done = col(Execution.status) == "completed"
    rows = await tx.execute(
        select(
            col(Execution.agent_id),
            func.count(),
            cast(func.count().filter(done), Float) / func.nullif(func.count().filter(ended), 0),
            func.avg(col(Execution.total_tokens)).filter(ended),
            func.avg(col(Execution.total_cost)).filter(ended),
            func.avg(col(Execution.duration_ms)).filter(ended),
            func.max(col(Execution.created_at)),
        )
        .where(col(Execution.agent_id).in_(agent_ids), col(Execution.dry_run).is_(False))
        .group_by(col(Execution.agent_id))
    )
    return {
        agent_id: AgentStats(
            executions=count,
            success_rate=rate,
            average_tokens=float(tokens) if tokens is not None else None,
            average_cost=cost,
            average_duration_ms=float(duration) if duration is not None else None,
            last_executed_at=last,
        )
        for agent_id, count, rate, tokens, cost, duration, last in rows
    }


async def day_figures(tx: Transaction, org_id: UUID) -> dict[str, Any]:
    """Runs, cost (USD) and tokens of the last 24 hours, what runs now, and the week's success rate."""
    day = col(Execution.created_at) > func.now() - timedelta(days=1)
    done = col(Execution.status) == "completed"
    ended = col(Execution.status).in_(("completed", "failed"))
    row = (
        await tx.execute(
            select(
                func.count().filter(day),
                func.count().filter(col(Execution.status).in_(("pending", "running"))),
                cast(func.count().filter(done), Float) / func.nullif(func.count().filter(ended), 0),
                func.coalesce(func.sum(col(Execution.total_cost)).filter(day), 0),
                func.coalesce(func.sum(col(Execution.total_tokens)).filter(day), 0),
            ).where(
                col(Execution.org_id) == org_id,
                col(Execution.dry_run).is_(False),
                col(Execution.created_at) > func.now() - timedelta(days=7),
            )
        )
    ).one()
    names = ("runs_today", "running", "success_rate", "cost_today", "tokens_today")
    return dict(zip(names, row, strict=True))


async def failing_agents(tx: Transaction, org_id: UUID) -> list[tuple[UUID, int, datetime]]:
    """Agents with failures in the last 24 hours, most first: id, failures, the last one."""
    rows = await tx.execute(
        select(col(Execution.agent_id), func.count(), func.max(col(Execution.created_at)))
        .where(
            col(Execution.org_id) == org_id,
            col(Execution.status) == "failed",
            col(Execution.dry_run).is_(False),
            col(Execution.created_at) > func.now() - timedelta(days=1),
        )
        .group_by(col(Execution.agent_id))
        .order_by(func.count().desc())
        .limit(5)
    )
    return [(agent_id, count, last) for agent_id, count, last in rows]
