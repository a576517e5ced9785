"""The audit trail, linked by hashes, and the keys under which people's traces in it are readable."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index, LargeBinary
from sqlmodel import Field, SQLModel, UniqueConstraint

from agentflow_app.core.tables import created, json_field, primary_key, sealed


class AuditLog(SQLModel, table=True):
    """One act. `seq`, `prev_hash` and `hash` are set by the database when it is written, and never change.

    No foreign key: what somebody did outlives them and their organization. `personal` is who and from where,
    encrypted under the person's key.
    """

    __tablename__ = "audit_logs"
    __table_args__ = (
        Index("ix_audit_logs_org", "org_id", "created_at"),
        UniqueConstraint("org_id", "seq"),
    )

    id: UUID = primary_key()
    org_id: UUID
    seq: int = Field(default=None, sa_type=BigInteger, nullable=False)
    user_id: UUID | None = None
    action: str = Field(max_length=100)
    resource_type: str = Field(max_length=50)
    resource_id: UUID | None = None
    details: dict[str, Any] = json_field()
    personal: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    prev_hash: bytes = Field(default=None, sa_column=Column(LargeBinary, nullable=False))
    hash: bytes = Field(default=None, sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = created()


class AuditHead(SQLModel, table=True):
    """The last link of each organization's chain; written by the database alone."""

    __tablename__ = "audit_heads"

    org_id: UUID = Field(primary_key=True)
    seq: int = Field(sa_type=BigInteger, nullable=False)
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class PersonKey(SQLModel, table=True):
    """`id` is the person's. Without the key their traces are unreadable, and the chain still holds."""

    __tablename__ = "person_keys"

    id: UUID = Field(primary_key=True)
    key: bytes = sealed()
    created_at: datetime = created()
