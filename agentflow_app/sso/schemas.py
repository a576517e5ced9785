"""What the single sign-on calls take and give."""

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from pydantic import AfterValidator, Field, SecretStr, StringConstraints, ValidationInfo, field_validator

from agentflow_app.core.schemas import Input, Output
from agentflow_app.core.settings import settings
from agentflow_app.organizations.settings import Domain
from agentflow_app.sso.saml_metadata import MOST_CERTIFICATES, certificate, described

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


def _sso_url(url: str) -> str:
    try:
        httpx.URL(url)
        good = reachable(url) and "#" not in url
    except httpx.InvalidURL:
        good = False
    if not good:
        raise ValueError("is an address like https://login.example.com/saml")
    return url


Protocol = Literal["oidc", "saml"]
SsoUrl = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), AfterValidator(_sso_url)]
Certificate = Annotated[str, StringConstraints(max_length=20_000), AfterValidator(certificate)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Claim = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
GivenSecret = Annotated[SecretStr, Field(min_length=1, max_length=1000)]


class ConnectionFields(Input):
    """What a protocol has no use for is left out.

    A SAML connection may be made before the provider is known, as that asks for the connection's addresses.
    """

    name: Label
    protocol: Protocol = "oidc"
    metadata: Annotated[str | None, Field(max_length=500_000)] = None
    """What a SAML provider says about itself: sets issuer, sso_url and certificates."""
    issuer: Annotated[Line | None, Field(validate_default=True)] = None
    """What the provider calls itself: of SAML, its entity id."""
    client_id: Annotated[Line | None, Field(validate_default=True)] = None
    sso_url: SsoUrl | None = None
    certificates: Annotated[list[Certificate], Field(max_length=MOST_CERTIFICATES, validate_default=True)] = (
        Field(default_factory=list)
    )
    """Those that the SAML provider signs with, PEM; several while it changes its key."""
    email_attribute: Claim | None = None
    name_attribute: Claim | None = None
    domains: list[Domain] = Field(default_factory=list, max_length=20)
    default_role: GivenRole = "viewer"
    role_claim: Claim | None = None
    role_mapping: dict[Claim, GivenRole] = Field(default_factory=dict, max_length=50)
    trust_email: bool = False
    """For a provider that never says `email_verified`: its addresses count, within the verified domains."""
    enforced: bool = False
    active: bool = True

    @field_validator("metadata")
    @classmethod
    def _one_provider(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None and info.data.get("protocol") == "saml":
            found = described(text)
            if len(found.entity_id) > 500 or len(found.sso_url) > 2000:
                raise ValueError("holds an address that is too long")
            _sso_url(found.sso_url)
        return text

    @field_validator("issuer")
    @classmethod
    def _issuer(cls, issuer: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("protocol") == "oidc" and (
            issuer is None or not reachable(issuer) or "?" in issuer or "#" in issuer
        ):
            raise ValueError("is an address like https://login.example.com")
        return issuer

    @field_validator("client_id")
    @classmethod
    def _client(cls, client_id: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("protocol") == "oidc" and client_id is None:
            raise ValueError("is needed")
        return client_id

    @field_validator("certificates")
    @classmethod
    def _all_or_nothing(cls, certificates: list[str], info: ValidationInfo) -> list[str]:
        known = info.data
        given = [bool(known.get("issuer")), bool(known.get("sso_url")), bool(certificates)]
        if known.get("protocol") == "saml" and not known.get("metadata") and any(given) and not all(given):
            raise ValueError("come together with issuer and sso_url, or metadata instead of the three")
        return certificates

    def settled(self) -> dict[str, Any]:
        """The fields as they are kept: what the metadata says taken up, what the protocol has not emptied."""
        kept = self.model_dump(exclude={"metadata", "domains", "client_secret"})
        if self.protocol == "oidc":
            return kept | {
                "sso_url": None,
                "certificates": [],
                "email_attribute": None,
                "name_attribute": None,
            }
        kept |= {"client_id": None, "trust_email": False}
        if self.metadata:
            found = described(self.metadata)
            kept |= {"issuer": found.entity_id, "sso_url": found.sso_url, "certificates": found.certificates}
        return kept


class ConnectionCreate(ConnectionFields):
    client_secret: Annotated[GivenSecret | None, Field(validate_default=True)] = None

    @field_validator("client_secret")
    @classmethod
    def _secret(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if info.data.get("protocol") == "oidc" and secret is None:
            raise ValueError("is needed")
        return secret


class ConnectionUpdate(ConnectionFields):
    """All of it is replaced; the secret stays where none is given."""

    client_secret: GivenSecret | None = None


class HomeRealm(Output):
    """`name` is the connection's; null where the domain has none. `enforced`: its members have to use it."""

    name: str | None
    enforced: bool


class DomainOut(Output):
    domain: str
    verified: bool
    record_name: str
    record_value: str


class ServiceProviderOut(Output):
    """What a SAML provider asks for."""

    entity_id: str
    acs_url: str
    metadata_url: str


class ConnectionOut(Output):
    """`service_provider` is there where the protocol is SAML, `redirect_uri` is for OpenID Connect."""

    id: UUID
    name: str
    protocol: Protocol
    issuer: str | None
    client_id: str | None
    sso_url: str | None
    certificates: list[str]
    email_attribute: str | None
    name_attribute: str | None
    service_provider: ServiceProviderOut | None
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
