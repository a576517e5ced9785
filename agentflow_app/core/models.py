"""The ground's own tables: answers kept for retries, and the pulse of each process."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Index, LargeBinary
from sqlmodel import Field, SQLModel

from agentflow_app.core.tables import created, json_field, moment, primary_key, tenant


class IdempotencyKey(SQLModel, table=True):
    """The first answer to a call, given again when the call is repeated with its key."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        Index("uq_idempotency_keys", "org_id", "caller_id", "method", "path", "key", unique=True),
    )

    id: UUID = primary_key()
    org_id: UUID = tenant()
    caller_id: UUID
    method: str = Field(max_length=10)
    path: str = Field(max_length=500)
    key: str = Field(max_length=255)
    fingerprint: str = Field(max_length=64)
    status: int
    headers: dict[str, str] = json_field()
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = created()
    expires_at: datetime = moment(required=True)


class Heartbeat(SQLModel, table=True):
    """The last sign of life of a worker or scheduler process."""

    __tablename__ = "process_heartbeats"

    process_id: str = Field(primary_key=True, max_length=100)
    kind: str = Field(max_length=20)
    version: str = Field(max_length=50)
    started_at: datetime = created()
    seen_at: datetime = created()
