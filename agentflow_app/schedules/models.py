"""The schedules of published agents, and the ticks that they had."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field, SQLModel, UniqueConstraint

from agentflow_app.core.tables import created, moment, primary_key, tenant, timestamp


class AgentSchedule(SQLModel, table=True):
    """One for each schedule trigger of an agent's live version. `next_at` is NULL while nothing is due."""

    __tablename__ = "schedules"
    __table_args__ = (UniqueConstraint("agent_id", "node_id"), Index("ix_schedules_next_at", "next_at"))

    id: UUID = primary_key()
    org_id: UUID = tenant()
    agent_id: UUID = Field(foreign_key="agents.id", ondelete="CASCADE")
    node_id: str = Field(max_length=63)
    cron: str | None = Field(default=None, max_length=200)
    every_seconds: int | None = None
    timezone: str = Field(max_length=100)
    missed: str = Field(max_length=20)
    next_at: datetime | None = moment()
    last_at: datetime | None = moment()
    last_execution_id: UUID | None = Field(
        default=None, foreign_key="executions.id", ondelete="SET NULL", index=True
    )
    last_problem: str | None = Field(default=None, max_length=500)
    created_at: datetime = created()
    updated_at: datetime = created()


class ScheduleTick(SQLModel, table=True):
    """That a tick had its run, so that it never has another, whatever becomes of the clock."""

    __tablename__ = "schedule_ticks"

    agent_id: UUID = Field(foreign_key="agents.id", ondelete="CASCADE", primary_key=True)
    node_id: str = Field(max_length=63, primary_key=True)
    scheduled_at: datetime = Field(sa_type=timestamp, primary_key=True, index=True)
    org_id: UUID = tenant()
