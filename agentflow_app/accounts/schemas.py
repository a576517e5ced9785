"""What the account calls take and give."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from agentflow_app.core.schemas import Email, Input, Name, Output
from agentflow_app.core.tenancy import Permission, Role


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("is only spaces")
    return value


Password = Annotated[str, StringConstraints(min_length=8, max_length=256), AfterValidator(_not_blank)]


class SignUp(Input):
    email: Email
    password: Password
    name: Name
    org_name: Name


class LogIn(Input):
    email: Annotated[str, StringConstraints(max_length=255)]
    password: Annotated[str, StringConstraints(max_length=256)]


class UserOut(Output):
    id: UUID
    email: str
    name: str
    avatar_url: str | None = None


class OrgOut(Output):
    id: UUID
    name: str
    slug: str
    plan: str


class Me(Output):
    user: UserOut
    org: OrgOut
    role: Role
    permissions: list[Permission]


class SignedIn(Output):
    """`access_token` is a JWT for `expires_in` seconds; what renews it is in a cookie."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105  # the kind of token, not one
    expires_in: int
    user: UserOut
    org: OrgOut
    role: Role


class Switch(Input):
    org_id: UUID


class UserRef(Output):
    id: UUID
    name: str


ApiKeyStatus = Literal["active", "expired", "inactive"]


class ApiKeyCreate(Input):
    """`scopes` are permissions; without `expires_at` the key is good until it is revoked."""

    name: Name
    scopes: list[Permission] = Field(min_length=1, max_length=100)
    expires_at: AwareDatetime | None = None


class ApiKeyRotate(Input):
    """For `grace_seconds` the secret of before is good too, so that nothing stops while it is replaced."""

    grace_seconds: int = Field(default=0, ge=0, le=86_400)


class ApiKeyOut(Output):
    """`inactive`: whoever made it is no longer an active member."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    status: ApiKeyStatus
    created_by: UserRef | None
    is_own: bool
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    previous_until: datetime | None


class ApiKeySecret(ApiKeyOut):
    """`key` is the secret itself, in this answer and never again."""

    key: str
