"""What the account calls take and give."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, StringConstraints

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
