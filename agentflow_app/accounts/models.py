"""People, how they prove who they are, and the keys that act for them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Column, Text
from sqlalchemy.orm import load_only
from sqlmodel import Field, SQLModel

from agentflow_app.core.tables import created, moment, primary_key, tenant


class User(SQLModel, table=True):
    __tablename__ = "users"

    id: UUID = primary_key()
    email: str = Field(max_length=255, unique=True)
    name: str = Field(max_length=255)
    avatar_url: str | None = None
    password_hash: str | None = Field(default=None, max_length=255)
    auth_provider: str = Field(default="email", max_length=50)
    auth_provider_id: str | None = Field(default=None, max_length=255)
    is_active: bool = True
    is_operator: bool = False
    created_at: datetime = created()


# What the app's database role may read of a person; the rest is for logging in.
PUBLIC_USER = load_only(
    *(getattr(User, name) for name in ("id", "email", "name", "avatar_url", "is_active", "created_at"))
)


class RefreshToken(SQLModel, table=True):
    """One link of a rotating family. `token_hash` is SHA-256; `used_at` is when it was exchanged."""

    __tablename__ = "refresh_tokens"

    id: UUID = primary_key()
    family_id: UUID = Field(index=True)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", index=True)
    org_id: UUID = Field(foreign_key="organizations.id", ondelete="CASCADE", index=True)
    token_hash: str = Field(max_length=64, unique=True)
    created_at: datetime = created()
    expires_at: datetime = moment(required=True)
    used_at: datetime | None = moment()
    revoked_at: datetime | None = moment()


class PageSession(SQLModel, table=True):
    """A browser's login to the pages. `token_hash` is SHA-256 of the cookie."""

    __tablename__ = "page_sessions"

    id: UUID = primary_key()
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", index=True)
    org_id: UUID = Field(foreign_key="organizations.id", ondelete="CASCADE", index=True)
    token_hash: str = Field(max_length=64, unique=True)
    created_at: datetime = created()
    expires_at: datetime = moment(required=True)


class ApiKey(SQLModel, table=True):
    """A key that acts for its maker within one organization; only its SHA-256 is kept.

    After a rotation the secret before it is good until `previous_until`.
    """

    __tablename__ = "api_keys"

    id: UUID = primary_key()
    org_id: UUID = tenant()
    created_by: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    name: str = Field(max_length=255)
    key_hash: str = Field(max_length=64, unique=True)
    key_prefix: str = Field(max_length=16)
    previous_hash: str | None = Field(default=None, max_length=64, unique=True)
    previous_until: datetime | None = moment()
    scopes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    last_used_at: datetime | None = moment()
    expires_at: datetime | None = moment()
    is_active: bool = True
    created_at: datetime = created()
