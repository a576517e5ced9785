"""What the figures look like."""

from datetime import datetime
from uuid import UUID

from agentflow_app.core.schemas import Money, Output
from agentflow_app.executions.schemas import ExecutionOut


class FailingAgent(Output):
    agent_id: UUID
    name: str
    failures: int
    last_failed_at: datetime


class OverviewOut(Output):
    """The last 24 hours; `success_rate` (0 to 1) is over seven days, None before the first end."""

    runs_today: int
    running: int
    success_rate: float | None
    cost_today: Money
    tokens_today: int
    waiting_approvals: int
    failing_agents: list[FailingAgent]
    recent: list[ExecutionOut]
