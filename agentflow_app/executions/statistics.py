"""Figures over executions. Dry runs do not count."""

from collections.abc import Sequence
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
            Execution.agent_id,
            func.count(),
            cast(func.count().filter(done), Float) / func.nullif(func.count().filter(ended), 0),
            func.avg(Execution.total_tokens).filter(ended),
            func.avg(Execution.total_cost).filter(ended),
            func.avg(Execution.duration_ms).filter(ended),
            func.max(Execution.created_at),
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
