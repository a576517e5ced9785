"""Executions and what is journalled of them. Postgres is the truth about every run."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Column, Index, Integer, Numeric, text
from sqlmodel import Field, SQLModel, UniqueConstraint

from agentflow_app.core.tables import created, json_field, moment, primary_key, tenant


class Execution(SQLModel, table=True):
    """One run.

    A worker owns it while `lease_until` (the database's clock) is ahead; `epoch` grows with each claim and
    every later write checks it. `wake_at` is when a waiting one becomes due. `claims` counts claims without
    progress.
    `definition` is set for test runs of a graph that was never published. `variables` are the organization's
    as they were when it was started: conditions are looked at again after a wait. `error_agent_id` is the
    agent that is still to run because this one failed. `parent_id` is the run whose step called this one;
    `parent_step_id`, a step of that, is set where it waits for the end. Where
    `trigger_ref` or `output_ref` is set, the data beside it are only the beginning of a payload.
    """

    __tablename__ = "executions"
    __table_args__ = (
        Index(
            "ix_executions_queue",
            "agent_id",
            text("priority DESC"),
            "created_at",
            "id",
            postgresql_where=text("status = 'pending'"),
        ),
        Index(
            "ix_executions_wake",
            "wake_at",
            postgresql_where=text("status = 'waiting' AND wake_at IS NOT NULL"),
        ),
        Index(
            "ix_executions_cancelled",
            "id",
            postgresql_where=text("status = 'pending' AND cancel_requested"),
        ),
        Index("ix_executions_list", "org_id", "created_at", "id"),
        Index("ix_executions_agent_list", "agent_id", "created_at"),
        Index("ix_executions_running", "agent_id", postgresql_where=text("status = 'running'")),
        Index("ix_executions_untold", "id", postgresql_where=text("error_agent_id IS NOT NULL")),
        # Removing a run looks for what points at it.
        Index("ix_executions_replays", "replay_of", postgresql_where=text("replay_of IS NOT NULL")),
        Index("ix_executions_called", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
    )

    id: UUID = primary_key()
    org_id: UUID = Field(foreign_key="organizations.id", ondelete="CASCADE")
    agent_id: UUID = Field(foreign_key="agents.id", ondelete="CASCADE")
    agent_version_id: UUID | None = Field(default=None, foreign_key="agent_versions.id", ondelete="SET NULL")
    agent_version: int | None = None
    definition: dict[str, Any] | None = json_field(nullable=True)
    options: dict[str, Any] = json_field()
    triggered_by: str = Field(max_length=50)
    triggered_by_user: UUID | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
    trigger: dict[str, Any] = json_field()
    trigger_ref: UUID | None = None
    variables: dict[str, Any] | None = json_field(nullable=True)
    status: str = Field(default="pending", max_length=50)
    waiting_for: dict[str, Any] | None = json_field(nullable=True)
    output: Any = json_field(nullable=True)
    output_ref: UUID | None = None
    error: dict[str, Any] | None = json_field(nullable=True)
    dry_run: bool = False
    replay_of: UUID | None = Field(default=None, foreign_key="executions.id", ondelete="SET NULL")
    parent_id: UUID | None = Field(default=None, foreign_key="executions.id", ondelete="SET NULL")
    parent_step_id: UUID | None = None
    priority: int = 1
    total_tokens: int = Field(default=0, sa_type=BigInteger)
    total_cost: Decimal = Field(
        default=Decimal(0), sa_column=Column(Numeric(14, 8), nullable=False, server_default="0")
    )
    duration_ms: int | None = Field(default=None, sa_type=BigInteger)
    event_seq: int = 0
    cancel_requested: bool = False
    error_agent_id: UUID | None = None
    epoch: int = 0
    claims: int = 0
    lease_owner: str | None = Field(default=None, max_length=100)
    lease_until: datetime | None = moment()
    wake_at: datetime | None = moment()
    active_ms: int = Field(default=0, sa_type=BigInteger)
    claimed_at: datetime | None = moment()
    created_at: datetime = created()
    started_at: datetime | None = moment()
    completed_at: datetime | None = moment()


class ExecutionStep(SQLModel, table=True):
    """One node in one iteration. `signal` is what resolved its wait: written once, by whoever came first.

    `taken_over`: a replay has it from the run that it repeats, or its output was given; it costs nothing.
    """

    __tablename__ = "execution_steps"
    __table_args__ = (
        UniqueConstraint("execution_id", "node_id", "iteration"),
        Index(
            "ix_steps_waiting",
            "org_id",
            postgresql_where=text("status IN ('waiting_approval', 'waiting')"),
        ),
    )

    id: UUID = primary_key()
    org_id: UUID = Field(foreign_key="organizations.id", ondelete="CASCADE")
    execution_id: UUID = Field(foreign_key="executions.id", ondelete="CASCADE")
    node_id: str = Field(max_length=63)
    iteration: list[int] = Field(
        default_factory=list, sa_column=Column(ARRAY(Integer), nullable=False, server_default="{}")
    )
    step_order: int
    status: str = Field(max_length=50)
    attempts: int = 1
    input_data: Any = json_field(nullable=True)
    output_data: Any = json_field(nullable=True)
    input_ref: UUID | None = None
    output_ref: UUID | None = None
    handle: str | None = Field(default=None, max_length=100)
    error: dict[str, Any] | None = json_field(nullable=True)
    waiting_for: dict[str, Any] | None = json_field(nullable=True)
    wait_until: datetime | None = moment()
    retry_at: datetime | None = moment()
    signal: dict[str, Any] | None = json_field(nullable=True)
    tokens_used: int = Field(default=0, sa_type=BigInteger)
    usage: dict[str, Any] | None = json_field(nullable=True)
    cost: Decimal = Field(
        default=Decimal(0), sa_column=Column(Numeric(14, 8), nullable=False, server_default="0")
    )
    duration_ms: int | None = Field(default=None, sa_type=BigInteger)
    started_at: datetime | None = moment()
    completed_at: datetime | None = moment()
    taken_over: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})


class Payload(SQLModel, table=True):
    """A value too large for the rows of its run, which refer to it. The same value has the same id.

    No foreign keys lead here: the rows that refer to it go together with it, in no order.
    """

    __tablename__ = "payloads"

    execution_id: UUID = Field(foreign_key="executions.id", ondelete="CASCADE", primary_key=True)
    id: UUID = Field(primary_key=True)
    org_id: UUID = tenant()
    size: int = Field(sa_type=BigInteger)
    content: Any = json_field(nullable=True)


class ExecutionLog(SQLModel, table=True):
    __tablename__ = "execution_logs"
    __table_args__ = (
        Index("ix_logs_execution", "execution_id", "id"),
        Index("ix_logs_step", "step_id", postgresql_where=text("step_id IS NOT NULL")),
    )

    id: UUID = primary_key()
    org_id: UUID = Field(foreign_key="organizations.id", ondelete="CASCADE")
    execution_id: UUID = Field(foreign_key="executions.id", ondelete="CASCADE")
    step_id: UUID | None = Field(default=None, foreign_key="execution_steps.id", ondelete="CASCADE")
    level: str = Field(default="info", max_length=20)
    message: str
    data: dict[str, Any] | None = json_field(nullable=True)
    created_at: datetime = created()


class ExecutionEvent(SQLModel, table=True):
    """What subscribers get, in order; `seq` has no gaps within an execution."""

    __tablename__ = "execution_events"

    execution_id: UUID = Field(foreign_key="executions.id", ondelete="CASCADE", primary_key=True)
    seq: int = Field(primary_key=True)
    org_id: UUID = Field(foreign_key="organizations.id", ondelete="CASCADE")
    event: dict[str, Any] = json_field()


class UsageRecord(SQLModel, table=True):
    """What an ended execution consumed, for billing; never of a dry run.

    No foreign key to the execution: what was consumed outlives the run.
    """

    __tablename__ = "usage_records"
    __table_args__ = (UniqueConstraint("execution_id", "record_type"),)

    id: UUID = primary_key()
    org_id: UUID = tenant()
    execution_id: UUID
    record_type: str = Field(max_length=50)
    quantity: int = Field(sa_type=BigInteger)
    unit_cost: Decimal = Field(
        default=Decimal(0), sa_column=Column(Numeric(14, 8), nullable=False, server_default="0")
    )
    recorded_at: datetime = created()
