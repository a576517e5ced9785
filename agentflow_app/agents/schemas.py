"""What the agent calls take and give."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from agentflow_app.core.pagination import PageQuery
from agentflow_app.core.schemas import Input, Money, Name, Output

AgentStatus = Literal["draft", "active", "paused", "archived"]
TriggerType = Literal["manual", "webhook", "schedule", "chat", "form", "agent", "error"]
Short = Annotated[str, StringConstraints(max_length=100)]
Long = Annotated[str, StringConstraints(max_length=2000)]


class AgentSettings(Input):
    """Limits of every run. Seconds, counts, USD; None is no limit.

    `error_agent_id`: the agent of the same organization that runs when a run of this one fails.
    """

    timeout_seconds: float = Field(default=3600, gt=0, le=7 * 86_400)
    max_retries: int = Field(default=3, ge=0, le=20)
    concurrency_limit: int | None = Field(default=None, ge=1, le=1000)
    max_cost: Decimal | None = Field(default=None, gt=0, max_digits=12, decimal_places=6)
    max_steps: int | None = Field(default=None, ge=1, le=100_000)
    error_agent_id: UUID | None = None


class AgentCreate(Input):
    name: Name
    description: Long | None = None
    category: Short | None = None
    trigger_type: TriggerType | None = None
    trigger_config: dict[str, Any] = {}
    settings: AgentSettings = AgentSettings()
    definition: dict[str, Any] | None = None


class AgentUpdate(Input):
    """What is left out stays as it is."""

    name: Name | None = None
    description: Long | None = None
    category: Short | None = None
    settings: AgentSettings | None = None


class StatusUpdate(Input):
    status: Literal["active", "paused"]


class AgentQuery(PageQuery):
    status: AgentStatus | None = None
    trigger_type: TriggerType | None = None
    category: str | None = None


class AgentStats(Output):
    """Over all real runs: a rate of 0 to 1; tokens, USD and milliseconds a run. None before the first end."""

    executions: int = 0
    success_rate: float | None = None
    average_tokens: float | None = None
    average_cost: Money | None = None
    average_duration_ms: float | None = None
    last_executed_at: datetime | None = None


class AgentOut(Output):
    id: UUID
    slug: str
    name: str
    description: str | None
    category: str | None
    status: AgentStatus
    trigger_type: str | None
    trigger_config: dict[str, Any]
    settings: dict[str, Any]
    latest_version: int | None
    stats: AgentStats
    created_at: datetime
    updated_at: datetime


class ProblemOut(Output):
    node_id: str | None = None
    edge_id: str | None = None
    field: str | None = None
    code: str
    message: str
    severity: Literal["error", "warning"]


class DraftUpdate(Input):
    definition: dict[str, Any]
    revision: int = Field(ge=1)


class DraftOut(Output):
    definition: dict[str, Any]
    revision: int
    problems: list[ProblemOut]


class PublishRequest(Input):
    change_message: Long | None = None
    definition: dict[str, Any] | None = None


class VersionOut(Output):
    id: UUID
    agent_id: UUID
    version: int
    definition: dict[str, Any]
    change_message: str | None
    is_published: bool
    created_by: UUID | None
    created_at: datetime


class VersionSummary(Output):
    """A version in a list, without its graph."""

    id: UUID
    agent_id: UUID
    version: int
    change_message: str | None
    is_published: bool
    created_by: UUID | None
    created_at: datetime


class FieldChange(Output):
    field: str
    before: Any = None
    after: Any = None


class PartDiff(Output):
    """A node or an edge that differs; `changes` is empty for one that was added or removed."""

    kind: Literal["node", "edge"]
    id: str
    label: str
    change: Literal["added", "removed", "changed"]
    changes: list[FieldChange] = []


class DiffOut(Output):
    parts: list[PartDiff]
