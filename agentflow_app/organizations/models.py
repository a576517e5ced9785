"""Organizations, who belongs to them or is invited, their teams, and exports of all they have."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, LargeBinary
from sqlmodel import Field, SQLModel, UniqueConstraint

from agentflow_app.core.tables import created, json_field, moment, primary_key, tenant


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
    suspended_at: datetime | None = moment()
    deleted_at: datetime | None = moment()


class Membership(SQLModel, table=True):
    __tablename__ = "org_memberships"
    __table_args__ = (UniqueConstraint("user_id", "org_id"),)

    id: UUID = primary_key()
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    org_id: UUID = tenant()
    role: str = Field(max_length=50)
    status: str = Field(default="active", max_length=20)
    created_at: datetime = created()


class Team(SQLModel, table=True):
    __tablename__ = "teams"
    __table_args__ = (UniqueConstraint("org_id", "name"),)

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


class Invitation(SQLModel, table=True):
    """One that is open; `token_hash` is SHA-256 of what the link carries. Accepted or withdrawn, it goes."""

    __tablename__ = "org_invitations"
    __table_args__ = (UniqueConstraint("org_id", "email"),)

    id: UUID = primary_key()
    org_id: UUID = tenant()
    email: str = Field(max_length=255)
    role: str = Field(max_length=50)
    token_hash: str = Field(max_length=64, unique=True)
    invited_by: UUID | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
    created_at: datetime = created()
    expires_at: datetime = moment(required=True)


class Export(SQLModel, table=True):
    """All that an organization has, as one file of `size` bytes once it is `ready`."""

    __tablename__ = "org_exports"

    id: UUID = primary_key()
    org_id: UUID = tenant()
    requested_by: UUID | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
    status: str = Field(default="pending", max_length=20)
    size: int = Field(default=0, sa_type=BigInteger)
    created_at: datetime = created()
    claimed_at: datetime | None = moment()
    completed_at: datetime | None = moment()


class ExportPart(SQLModel, table=True):
    """A piece of an export's file; in order of `place` they are the whole."""

    __tablename__ = "org_export_parts"
    __table_args__ = (UniqueConstraint("export_id", "place"),)

    id: UUID = primary_key()
    org_id: UUID = tenant()
    export_id: UUID = Field(foreign_key="org_exports.id", ondelete="CASCADE")
    place: int
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
