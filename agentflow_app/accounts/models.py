"""People, how they prove who they are, and the keys that act for them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Column, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import load_only
from sqlmodel import Field, SQLModel

from agentflow_app.core.tables import created, moment, primary_key, sealed, tenant


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
    email_verified_at: datetime | None = moment()
    tokens_valid_after: datetime | None = moment()
    """Access tokens from before are refused: everything was logged out then."""
    second_factor_at: datetime | None = moment()
    """Since when there is a second factor; None without any."""
    created_at: datetime = created()


# What the app's database role may read of a person; the rest is for logging in.
PUBLIC_USER = load_only(
    *(
        getattr(User, name)
        for name in (
            "id",
            "email",
            "name",
            "avatar_url",
            "is_active",
            "created_at",
            "tokens_valid_after",
            "second_factor_at",
        )
    )
)


class RefreshToken(SQLModel, table=True):
    """One link of a rotating family. `token_hash` is SHA-256; `used_at` is when it was exchanged."""

    __tablename__ = "refresh_tokens"

    id: UUID = primary_key()
    family_id: UUID = Field(index=True)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", index=True)
    org_id: UUID = Field(foreign_key="organizations.id", ondelete="CASCADE", index=True)
    token_hash: str = Field(max_length=64, unique=True)
    sso_org_id: UUID | None = None
    """The organization whose identity provider vouched at the login."""
    opened_at: datetime | None = moment()
    address: str | None = Field(default=None, max_length=45)
    user_agent: str | None = None
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
    sso_org_id: UUID | None = None
    """The organization whose identity provider vouched at the login."""
    address: str | None = Field(default=None, max_length=45)
    user_agent: str | None = None
    last_seen_at: datetime | None = moment()
    created_at: datetime = created()
    expires_at: datetime = moment(required=True)


class EndedSession(SQLModel, table=True):
    """A login that was ended, by its session's id: kept until its last access token has expired."""

    __tablename__ = "ended_sessions"

    id: UUID = Field(primary_key=True)
    ended_at: datetime = created()


class SessionProof(SQLModel, table=True):
    """That the person of a login has just proved again who they are. The newest counts."""

    __tablename__ = "session_proofs"

    session_id: UUID = Field(primary_key=True)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", index=True)
    created_at: datetime = created()
    expires_at: datetime = moment(required=True)


class OneTimeToken(SQLModel, table=True):
    """What a link in a letter carries; used once, it is gone. `email` is the address it proves."""

    __tablename__ = "one_time_tokens"

    id: UUID = primary_key()
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", index=True)
    purpose: str = Field(max_length=20)
    token_hash: str = Field(max_length=64, unique=True)
    email: str = Field(max_length=255)
    created_at: datetime = created()
    expires_at: datetime = moment(required=True)


class LoginChallenge(SQLModel, table=True):
    """A sign-in (or the adding of a passkey) that waits for its answer, in the browser that began it."""

    __tablename__ = "login_challenges"

    id: UUID = primary_key()
    user_id: UUID | None = Field(default=None, foreign_key="users.id", ondelete="CASCADE", index=True)
    purpose: str = Field(max_length=20)
    token_hash: str = Field(max_length=64, unique=True)
    browser_hash: str = Field(max_length=64)
    nonce: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    attempts: int = 0
    created_at: datetime = created()
    expires_at: datetime = moment(required=True)


class TotpFactor(SQLModel, table=True):
    """An authenticator app. `last_step` is the last code used; wrong ones in a row pause it."""

    __tablename__ = "totp_factors"

    id: UUID = primary_key()
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", unique=True)
    secret: bytes = sealed()
    confirmed_at: datetime | None = moment()
    last_step: int = Field(default=0, sa_type=BigInteger)
    failures: int = 0
    paused_until: datetime | None = moment()
    created_at: datetime = created()


class RecoveryCode(SQLModel, table=True):
    """For when the second factor is lost; used once, it is gone."""

    __tablename__ = "recovery_codes"
    __table_args__ = (UniqueConstraint("user_id", "code_hash"),)

    id: UUID = primary_key()
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    code_hash: str = Field(max_length=64)
    created_at: datetime = created()


class Passkey(SQLModel, table=True):
    __tablename__ = "passkeys"

    id: UUID = primary_key()
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", index=True)
    name: str = Field(max_length=100)
    credential_id: bytes = Field(sa_column=Column(LargeBinary, nullable=False, unique=True))
    public_key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sign_count: int = Field(default=0, sa_type=BigInteger)
    transports: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    last_used_at: datetime | None = moment()
    created_at: datetime = created()


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
