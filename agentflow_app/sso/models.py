"""How an organization's people come in through its own identity provider."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel, UniqueConstraint

from agentflow_app.core.tables import created, moment, primary_key, sealed, tenant


class SsoConnection(SQLModel, table=True):
    """An OpenID Connect or SAML provider. `issuer` is what it calls itself: of SAML, its entity id.

    `role_mapping`: a value of the claim or attribute `role_claim` → a role, never owner. Of SAML only are
    `sso_url` (without it nobody can sign in yet), `certificates` (PEM) and the attributes' names.
    """

    __tablename__ = "sso_connections"
    __table_args__ = (UniqueConstraint("org_id", "name"),)

    id: UUID = primary_key()
    org_id: UUID = tenant()
    name: str = Field(max_length=100)
    protocol: str = Field(default="oidc", max_length=10)
    issuer: str | None = Field(default=None, max_length=500)
    client_id: str | None = Field(default=None, max_length=500)
    client_secret: bytes | None = sealed(nullable=True)
    sso_url: str | None = Field(default=None, max_length=2000)
    certificates: list[str] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    email_attribute: str | None = Field(default=None, max_length=200)
    name_attribute: str | None = Field(default=None, max_length=200)
    default_role: str = Field(max_length=50)
    role_claim: str | None = Field(default=None, max_length=200)
    role_mapping: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))
    trust_email: bool = False
    enforced: bool = False
    active: bool = True
    created_at: datetime = created()
    updated_at: datetime = created()


class SsoDomain(SQLModel, table=True):
    """A mail domain that a connection answers for, once it is verified; then it is no other's.

    `token` is what the organization publishes in DNS, so it is no secret.
    """

    __tablename__ = "sso_domains"
    __table_args__ = (
        UniqueConstraint("connection_id", "domain"),
        Index(
            "ix_sso_domains_verified", "domain", unique=True, postgresql_where=text("verified_at IS NOT NULL")
        ),
    )

    id: UUID = primary_key()
    org_id: UUID = tenant()
    connection_id: UUID = Field(foreign_key="sso_connections.id", ondelete="CASCADE")
    domain: str = Field(max_length=253)
    token: str = Field(max_length=64)
    verified_at: datetime | None = moment()
    created_at: datetime = created()


class SsoIdentity(SQLModel, table=True):
    """Who a provider's subject is here."""

    __tablename__ = "sso_identities"
    __table_args__ = (UniqueConstraint("connection_id", "subject"),)

    id: UUID = primary_key()
    org_id: UUID = tenant()
    connection_id: UUID = Field(foreign_key="sso_connections.id", ondelete="CASCADE")
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", index=True)
    subject: str = Field(max_length=255)
    created_at: datetime = created()


class SocialIdentity(SQLModel, table=True):
    """Who a subject of a provider that is open to everyone is here. `issuer` is the provider's address."""

    __tablename__ = "social_identities"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: UUID = primary_key()
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", index=True)
    issuer: str = Field(max_length=500)
    subject: str = Field(max_length=255)
    created_at: datetime = created()


class SsoLogin(SQLModel, table=True):
    """A sign-in that is on its way to the provider and back. Used once, it is gone.

    It is a connection's, or that of a `provider` which is open to everyone: google, github.
    With `session_id` it lets nobody in: it proves that the login's person, `user_id`, is there.
    Both hashes are SHA-256; nonce, PKCE verifier and the id of a SAML request come from the browser's secret
    and are not kept.
    """

    __tablename__ = "sso_logins"

    id: UUID = primary_key()
    connection_id: UUID | None = Field(
        default=None, foreign_key="sso_connections.id", ondelete="CASCADE", index=True
    )
    provider: str | None = Field(default=None, max_length=20)
    session_id: UUID | None = None
    user_id: UUID | None = Field(default=None, foreign_key="users.id", ondelete="CASCADE", index=True)
    state_hash: str = Field(max_length=64, unique=True)
    browser_hash: str = Field(max_length=64)
    destination: str = Field(max_length=500)
    created_at: datetime = created()
    expires_at: datetime = moment(required=True)


class ScimToken(SQLModel, table=True):
    """What an organization's identity provider shows when it provisions members; `token_hash`: SHA-256."""

    __tablename__ = "scim_tokens"
    __table_args__ = (UniqueConstraint("org_id"),)

    id: UUID = primary_key()
    org_id: UUID = tenant()
    created_by: UUID | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
    token_hash: str = Field(max_length=64, unique=True)
    prefix: str = Field(max_length=20)
    created_at: datetime = created()
    last_used_at: datetime | None = moment()
