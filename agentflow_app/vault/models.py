"""What an organization keeps for its agents: secrets, variables and credentials, and which runs used them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel, UniqueConstraint

from agentflow_app.core.tables import created, json_field, moment, primary_key, sealed, tenant


class Secret(SQLModel, table=True):
    __tablename__ = "secrets"
    __table_args__ = (UniqueConstraint("org_id", "name"),)

    id: UUID = primary_key()
    org_id: UUID = tenant()
    name: str = Field(max_length=64)
    description: str | None = Field(default=None, max_length=500)
    value: bytes = sealed()
    updated_by: UUID | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
    created_at: datetime = created()
    updated_at: datetime = created()
    last_used_at: datetime | None = moment()


class Variable(SQLModel, table=True):
    __tablename__ = "variables"
    __table_args__ = (UniqueConstraint("org_id", "name"),)

    id: UUID = primary_key()
    org_id: UUID = tenant()
    name: str = Field(max_length=64)
    description: str | None = Field(default=None, max_length=500)
    value: Any = Field(default=None, sa_column=Column(JSONB, nullable=False))
    updated_by: UUID | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
    created_at: datetime = created()
    updated_at: datetime = created()


class Credential(SQLModel, table=True):
    """`settings` is what may be read of it, `parts` the rest, as sealed JSON.

    `token` is what OAuth 2 gave last, sealed; `token_expires_at` says until when it is good. Whoever set
    `refreshing_until` is fetching a new one; `revision` counts changes, so that a token fetched for what it
    was before is not kept.
    """

    __tablename__ = "credentials"
    __table_args__ = (UniqueConstraint("org_id", "name"),)

    id: UUID = primary_key()
    org_id: UUID = tenant()
    name: str = Field(max_length=100)
    description: str | None = Field(default=None, max_length=500)
    type: str = Field(max_length=20)
    allowed_hosts: list[str] = json_field(default=list)
    settings: dict[str, Any] = json_field()
    parts: bytes = sealed()
    token: bytes | None = sealed(nullable=True)
    token_expires_at: datetime | None = moment()
    refreshing_until: datetime | None = moment()
    revision: int = 1
    updated_by: UUID | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
    created_at: datetime = created()
    updated_at: datetime = created()
    last_used_at: datetime | None = moment()


class SecretUse(SQLModel, table=True):
    """That a run used a secret or a credential: what makes it audited once, and masked ever after."""

    __tablename__ = "secret_uses"
    __table_args__ = (
        UniqueConstraint("execution_id", "item_id"),
        Index("ix_secret_uses_item", "item_id"),
    )

    id: UUID = primary_key()
    org_id: UUID = tenant()
    execution_id: UUID = Field(foreign_key="executions.id", ondelete="CASCADE")
    item_id: UUID
    created_at: datetime = created()
