"""What the single sign-on calls take and give."""

from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, Field, SecretStr, StringConstraints

from agentflow_app.core.schemas import Input, Output
from agentflow_app.core.settings import settings
from agentflow_app.organizations.settings import Domain

GivenRole = Literal["admin", "editor", "viewer"]
"""No provider makes an owner."""


def reachable(url: str) -> bool:
    """HTTPS, or a private host that the operator allows."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        place = f"{host}:{parts.port}" if parts.port else host
    except ValueError:
        return False
    allowed = {entry.rpartition("://")[2] for entry in settings().allowed_private_hosts}
    return (
        bool(host)
        and not parts.username
        and (parts.scheme == "https" or (parts.scheme == "http" and bool({host, place} & allowed)))
    )


def _issuer(url: str) -> str:
    if not reachable(url) or "?" in url or "#" in url:
        raise ValueError("is an address like https://login.example.com")
    return url


Issuer = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(_issuer)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Claim = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
GivenSecret = Annotated[SecretStr, Field(min_length=1, max_length=1000)]


class ConnectionFields(Input):
    name: Label
    issuer: Issuer
    client_id: Line
    domains: list[Domain] = Field(default_factory=list, max_length=20)
    default_role: GivenRole = "viewer"
    role_claim: Claim | None = None
    role_mapping: dict[Claim, GivenRole] = Field(default_factory=dict, max_length=50)
    trust_email: bool = False
    """For a provider that never says `email_verified`: its addresses count, within the verified domains."""
    enforced: bool = False
    active: bool = True


class ConnectionCreate(ConnectionFields):
    client_secret: GivenSecret


class ConnectionUpdate(ConnectionFields):
    """All of it is replaced; the secret stays where none is given."""

    client_secret: GivenSecret | None = None


class DomainOut(Output):
    domain: str
    verified: bool
    record_name: str
    record_value: str


class ConnectionOut(Output):
    id: UUID
    name: str
    issuer: str
    client_id: str
    domains: list[DomainOut]
    default_role: GivenRole
    role_claim: str | None
    role_mapping: dict[str, GivenRole]
    trust_email: bool
    enforced: bool
    active: bool
    redirect_uri: str
    created_at: datetime
    updated_at: datetime


class TestOut(Output):
    """`problem` says what is wrong, in a sentence."""

    ok: bool
    problem: str | None = None


class ScimOut(Output):
    """`prefix` is how the token begins; None where there is no token."""

    base_url: str
    prefix: str | None = None
    created_at: datetime | None = None
    last_used_at: datetime | None = None


class ScimSecret(ScimOut):
    token: str
