"""What the vault takes and what it shows. Values of secrets only ever go in."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    Field,
    JsonValue,
    SecretStr,
    StringConstraints,
    WithJsonSchema,
)

from agentflow_app.core.schemas import Input, Output
from agentflow_app.core.serialization import dumps
from engine.egress.origins import Origin
from engine.letters import mailboxes

MIN_SECRET = 4
MAX_SECRET = 16_384
MAX_VARIABLE = 16_384
MAX_HOSTS = 50
CredentialType = Literal["api_key", "bearer", "basic", "header", "oauth2", "smtp"]
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_NOT_FOR_CREDENTIALS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade", "te", "trailer"}
)


def _maskable(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value().strip()) < MIN_SECRET:
        raise ValueError(f"has at least {MIN_SECRET} characters: shorter ones could not be masked in outputs")
    return value


def _printable(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not (text.isascii() and text.isprintable()) or text != text.strip():
        raise ValueError("is printable ASCII without spaces around it, as a header carries it")
    return value


def _storable_size(value: Any) -> Any:
    if len(dumps(value)) > MAX_VARIABLE:
        raise ValueError(f"is larger than {MAX_VARIABLE} bytes")
    return value


def _header_name(name: str) -> str:
    if not _FIELD_NAME.fullmatch(name):
        raise ValueError("is the name of an HTTP header")
    if name.lower() in _NOT_FOR_CREDENTIALS:
        raise ValueError("is a header that the connection itself needs")
    return name


def _host(entry: str) -> str:
    return str(Origin.parse(entry))


def _mail_host(text: str) -> str:
    """A name or an address alone."""
    if text.startswith("*") or "/" in text or (":" in text.strip("[]") and not text.startswith("[")):
        raise ValueError("is a host like mail.example.com; its port has a field of its own")
    return Origin.parse(text).host


def _sender(text: str) -> str:
    if len(mailboxes(text)) != 1:
        raise ValueError("is one address, like robot@example.com")
    return text


def _client_id(text: str) -> str:
    if not text.isascii() or not text.isprintable():
        raise ValueError("is printable ASCII")
    return text


def _user_name(text: str) -> str:
    if ":" in text or not text.isprintable():
        raise ValueError("has no colon and no control characters")
    return text


def _fits(pattern: str, told: str) -> Callable[[str], str]:
    def check(name: str) -> str:
        if not re.fullmatch(pattern, name):
            raise ValueError(told)
        return name

    return check


_SECRET_NAME = "[A-Z][A-Z0-9_]{0,63}"  # noqa: S105 - a pattern
_VARIABLE_NAME = "[A-Za-z_][A-Za-z0-9_]{0,63}"
_SECRET_TOLD = "is made of capital letters, digits and _, begins with a letter, and has 64 characters at most"  # noqa: S105
_VARIABLE_TOLD = "is made of letters, digits and _, begins with no digit, and has 64 characters at most"
# The API's document has the pattern, people get a sentence.
SecretName = Annotated[
    str,
    AfterValidator(_fits(_SECRET_NAME, _SECRET_TOLD)),
    WithJsonSchema({"type": "string", "pattern": f"^{_SECRET_NAME}$"}),
]
VariableName = Annotated[
    str,
    AfterValidator(_fits(_VARIABLE_NAME, _VARIABLE_TOLD)),
    WithJsonSchema({"type": "string", "pattern": f"^{_VARIABLE_NAME}$"}),
]
CredentialName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Description = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]
SecretValue = Annotated[SecretStr, Field(max_length=MAX_SECRET), AfterValidator(_maskable)]
HeaderValue = Annotated[SecretValue, AfterValidator(_printable)]
VariableValue = Annotated[JsonValue, AfterValidator(_storable_size)]
Host = Annotated[str, StringConstraints(max_length=300), AfterValidator(_host)]
Hosts = Annotated[list[Host], Field(min_length=1, max_length=MAX_HOSTS)]
UserName = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_user_name)]
ClientId = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_client_id)]
Scope = Annotated[str, StringConstraints(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]{1,200}$")]


class SecretCreate(Input):
    name: SecretName
    value: SecretValue
    description: Description | None = None


class SecretUpdate(Input):
    value: SecretValue | None = None
    description: Description | None = None


class VariableCreate(Input):
    name: VariableName
    value: VariableValue
    description: Description | None = None


class VariableUpdate(Input):
    value: VariableValue = None
    description: Description | None = None


class CredentialFields(Input):
    """What each type needs is in `credentials.TYPES`; the rest is refused."""

    description: Description | None = None
    value: HeaderValue | None = None
    header: Annotated[str, AfterValidator(_header_name)] | None = None
    query: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,100}$")] | None = None
    username: (
        Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_user_name)] | None
    ) = None
    password: SecretValue | None = None
    grant: Literal["client_credentials", "refresh_token"] | None = None
    token_url: Annotated[AnyHttpUrl, Field(max_length=2000)] | None = None
    client_id: (
        Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_client_id)] | None
    ) = None
    client_secret: HeaderValue | None = None
    client_auth: Literal["header", "body"] | None = None
    refresh_token: SecretValue | None = None
    scopes: Annotated[list[Scope], Field(max_length=100)] | None = None
    host: Annotated[str, StringConstraints(max_length=253), AfterValidator(_mail_host)] | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    security: Literal["tls", "starttls"] | None = None
    sender: Annotated[str, StringConstraints(max_length=500), AfterValidator(_sender)] | None = None


class CredentialCreate(CredentialFields):
    name: CredentialName
    type: CredentialType
    allowed_hosts: Hosts


class CredentialUpdate(CredentialFields):
    """What is left out stays as it is, the secret parts too."""

    name: CredentialName | None = None
    allowed_hosts: Hosts | None = None


class KeptOut(Output):
    id: UUID
    name: str
    description: str | None
    updated_by: UUID | None
    updated_by_name: str | None = None
    created_at: datetime
    updated_at: datetime


class SecretOut(KeptOut):
    last_used_at: datetime | None


class VariableOut(KeptOut):
    value: JsonValue


class CredentialOut(KeptOut):
    """`settings` has what is no secret: header, query, username, grant, token_url, client_id, scopes,
    host, port, security, sender."""

    type: CredentialType
    allowed_hosts: list[str]
    settings: dict[str, JsonValue]
    last_used_at: datetime | None
    token_expires_at: datetime | None


class CredentialTrial(Input):
    """Without `url` the first of its hosts that is no pattern is asked."""

    url: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)] | None = None


class TrialOut(Output):
    """`ok`: a status below 400 came. Without a status `problem` says why. Nothing of the answer is kept."""

    ok: bool
    status: int | None
    problem: str | None
    duration_ms: int
    url: str
