"""What the operator's calls take and give: figures, never content."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from agentflow_app.core.schemas import Input, Money, Output

Standing = Literal["active", "suspended", "deleted"]


class UsageOut(Output):
    """Executions, failures, tokens and cost are of the last 24 hours; `storage` is an estimate in bytes."""

    id: UUID
    name: str
    slug: str
    plan: str
    status: Standing
    created_at: datetime
    members: int
    agents: int
    executions: int
    failures: int
    tokens: int
    cost: Money
    storage: int


class StandingUpdate(Input):
    status: Literal["active", "suspended"]


class AccountStatusUpdate(Input):
    status: Literal["active", "deactivated"]


class HealthOut(Output):
    """`processes`: how many gave a sign of life lately; `oldest_waiting` is in seconds."""

    database: bool
    redis: bool
    processes: dict[str, int]
    executions: dict[str, int]
    oldest_waiting: float | None
