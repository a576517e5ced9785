"""Organizations, who belongs to them, and their teams."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Field, SQLModel, UniqueConstraint

from agentflow_app.core.tables import created, json_field, primary_key, tenant


class Organization(SQLModel, table=True):
    __tablename__ = "organizations"

    id: UUID = primary_key()
    name: str = Field(max_length=255)
    slug: str = Field(max_length=100, unique=True)
    plan: str = Field(default="starter", max_length=50)
    stripe_customer_id: str | None = Field(default=None, max_length=255)
    settings: dict[str, Any] = json_field()
    created_at: datetime = created()
    updated_at: datetime = created()


class Membership(SQLModel, table=True):
    __tablename__ = "org_memberships"
    __table_args__ = (UniqueConstraint("user_id", "org_id"),)

    id: UUID = primary_key()
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    org_id: UUID = tenant()
    role: str = Field(max_length=50)
    created_at: datetime = created()


class Team(SQLModel, table=True):
    __tablename__ = "teams"

    id: UUID = primary_key()
    org_id: UUID = tenant()
    name: str = Field(max_length=255)
    created_at: datetime = created()


class TeamMembership(SQLModel, table=True):
    __tablename__ = "team_memberships"
    __table_args__ = (UniqueConstraint("user_id", "team_id"),)

    id: UUID = primary_key()
    org_id: UUID = tenant()
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    team_id: UUID = Field(foreign_key="teams.id", ondelete="CASCADE", index=True)
