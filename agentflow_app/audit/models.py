"""The audit trail: who did what to which object, from where."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index
from sqlalchemy.dialects.postgresql import INET
from sqlmodel import Field, SQLModel

from agentflow_app.core.tables import created, json_field, primary_key


class AuditLog(SQLModel, table=True):
    __tablename__ = "audit_logs"
    __table_args__ = (Index("ix_audit_logs_org", "org_id", "created_at"),)

    id: UUID = primary_key()
    org_id: UUID = Field(foreign_key="organizations.id", ondelete="CASCADE")
    user_id: UUID | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
    action: str = Field(max_length=100)
    resource_type: str = Field(max_length=50)
    resource_id: UUID | None = None
    details: dict[str, Any] = json_field()
    ip_address: str | None = Field(default=None, sa_column=Column(INET, nullable=True))
    user_agent: str | None = None
    created_at: datetime = created()
