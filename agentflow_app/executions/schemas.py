"""What the execution calls take and give."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from agentflow_app.core.pagination import PageQuery
from agentflow_app.core.schemas import Input, Money, Output
from agentflow_app.core.tables import LARGEST_INTEGER

ExecutionStatus = Literal["pending", "running", "waiting", "completed", "failed", "cancelled"]
TriggeredBy = Literal[
    "manual", "api", "webhook", "schedule", "chat", "form", "agent", "error", "replay", "test"
]
Priority = Literal["low", "normal", "high"]
PRIORITIES: dict[Priority, int] = {"low": 0, "normal": 1, "high": 2}
NodeId = Annotated[str, StringConstraints(max_length=63)]
ENDED: frozenset[str] = frozenset({"completed", "failed", "cancelled"})


class ExecuteRequest(Input):
    trigger_data: Any = Field(default_factory=dict)
    priority: Priority = "normal"


class TestRequest(Input):
    """A dry run: of `definition`, else of the draft, else of the published version."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    trigger_data: Any = Field(default_factory=dict)
    definition: dict[str, Any] | None = None
    pins: dict[str, Any] = {}
    node: str | None = None
    from_node: str | None = None
    until_node: str | None = None


class ApproveRequest(Input):
    """`decision` is needed by approvals; where a form is to be filled in, `data` is what matters."""

    step_id: UUID | None = None
    decision: Literal["approved", "rejected"] | None = None
    comment: Annotated[str, StringConstraints(max_length=2000)] | None = None
    data: Any = None


class Limits(Input):
    """What stands in for the agent's own settings from now on. Seconds, counts, USD."""

    timeout_seconds: float | None = Field(default=None, gt=0, le=7 * 86_400)
    max_cost: Decimal | None = Field(default=None, gt=0, max_digits=12, decimal_places=6)
    max_steps: int | None = Field(default=None, ge=1, le=100_000)


class ResumeRequest(Input):
    """`version`: a newer one to go on with."""

    version: int | None = Field(default=None, ge=1, le=LARGEST_INTEGER)
    settings: Limits | None = None


class ReplayRequest(Input):
    """`overrides` are outputs by node id, `configs` whole configs; what depends on any of them runs again."""

    from_node: NodeId
    overrides: dict[NodeId, Any] = {}
    version: int | None = Field(default=None, ge=1, le=LARGEST_INTEGER)
    configs: dict[NodeId, dict[str, Any]] = {}


class ResolveRequest(Input):
    """What became of an uncertain step; `output` is what it came to, where it is done."""

    outcome: Literal["done", "retry", "failed"]
    output: Any = None


class StartedRun(Output):
    """A run as it is told to who started it: that it was, not what it did."""

    id: UUID
    agent_id: UUID
    status: str
    triggered_by: str
    dry_run: bool
    created_at: datetime
    completed_at: datetime | None


class ExecutionQuery(PageQuery):
    agent_id: UUID | None = None
    status: ExecutionStatus | None = None
    triggered_by: TriggeredBy | None = None
    dry_run: bool | None = None


class ExecutionOut(Output):
    """Where there is a `…_ref`, what stands beside it in lists is only the beginning; the whole is there.

    `triggered_by_user` is the person who started it, or whose API key did.
    """

    id: UUID
    agent_id: UUID
    agent_name: str
    agent_version: int | None
    status: ExecutionStatus
    waiting_for: dict[str, Any] | None
    triggered_by: TriggeredBy
    triggered_by_user: UUID | None = None
    trigger_data: Any
    trigger_data_ref: str | None = None
    output: Any
    output_ref: str | None = None
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    duration_ms: int | None
    total_tokens: int
    total_cost: Money
    dry_run: bool
    replay_of: UUID | None
    parent_id: UUID | None = None


class StepOut(Output):
    """Where there is an `input_ref` or `output_ref`, the data are only the beginning; the whole is there."""

    id: UUID
    node_id: str
    iteration: list[int]
    step_order: int
    status: str
    input_data: Any
    output_data: Any
    input_ref: str | None = None
    output_ref: str | None = None
    error: dict[str, Any] | None
    waiting_for: dict[str, Any] | None
    tokens_used: int
    cost: Money
    duration_ms: int | None
    attempts: int
    started_at: datetime | None
    completed_at: datetime | None
    taken_over: bool = False


class Difference(Output):
    execution: Any
    other: Any


class StepDifference(Output):
    """`changes`: of `status`, `output`, `error`, `cost`, `duration_ms`, `config`; none if one run has it."""

    node_id: str
    iteration: list[int]
    only_in: Literal["execution", "other"] | None
    changes: dict[str, Difference]


class ComparisonOut(Output):
    """`steps` are those that differ, in the order of the runs; `same_steps` counts the others."""

    execution: ExecutionOut
    other: ExecutionOut
    same_steps: int
    steps: list[StepDifference]


class LogOut(Output):
    id: UUID
    step_id: UUID | None
    level: str
    message: str
    data: dict[str, Any] | None
    created_at: datetime


class ApprovalOut(Output):
    """A step that waits for a decision of the actor's, or for data that fit `input_schema`."""

    execution_id: UUID
    step_id: UUID
    agent_id: UUID
    agent_name: str
    node_id: str
    kind: Literal["approval", "input"]
    message: str
    show: Any
    editable: bool
    input_schema: dict[str, Any] | None
    until: datetime | None
    waiting_since: datetime | None
