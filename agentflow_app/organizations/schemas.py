"""What the organization calls take and give."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from agentflow_app.accounts.schemas import Password
from agentflow_app.core.pagination import PageQuery
from agentflow_app.core.schemas import Email, Input, Name, Output
from agentflow_app.core.tenancy import Role
from agentflow_app.organizations.settings import OrganizationSettings

Slug = Annotated[str, StringConstraints(min_length=2, max_length=80, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


class OrganizationOut(Output):
    id: UUID
    name: str
    slug: str
    plan: str
    settings: OrganizationSettings
    created_at: datetime
    updated_at: datetime


class OrganizationUpdate(Input):
    """Only what is given changes; of `settings` too."""

    name: Name | None = None
    slug: Slug | None = None
    settings: OrganizationSettings | None = None


class OrganizationCreate(Input):
    name: Name


class MineOut(Output):
    """One of the organizations that a person belongs to. `current`: the one this call acts in."""

    id: UUID
    name: str
    slug: str
    role: Role
    current: bool = Field(default=False)


MemberStatus = Literal["active", "deactivated"]


class MemberQuery(PageQuery):
    role: Role | None = None


class MemberOut(Output):
    user_id: UUID
    name: str
    email: str
    role: Role
    status: MemberStatus
    is_self: bool
    joined_at: datetime


class RoleUpdate(Input):
    role: Role


class MemberStatusUpdate(Input):
    status: MemberStatus


class Transfer(Input):
    user_id: UUID


class InvitationCreate(Input):
    email: Email
    role: Role


class InvitationOut(Output):
    """`link` only where it was just made and no mail server is set up to send it."""

    id: UUID
    email: str
    role: Role
    invited_by: str | None
    created_at: datetime
    expires_at: datetime
    expired: bool
    link: str | None = None


class InvitationPreview(Output):
    """`has_account`: its addressee logs in to accept; otherwise accepting makes the account."""

    organization: str
    email: str
    role: Role
    expires_at: datetime
    has_account: bool


class AcceptInvitation(Input):
    name: Name
    password: Password


class TeamIn(Input):
    name: Name


class TeamMemberOut(Output):
    user_id: UUID
    name: str
    email: str


class TeamOut(Output):
    id: UUID
    name: str
    members: list[TeamMemberOut]
    created_at: datetime


class ExportOut(Output):
    """`size` in bytes, once it is `ready`."""

    id: UUID
    status: Literal["pending", "ready", "failed"]
    size: int
    created_at: datetime
    completed_at: datetime | None


class OrganizationDelete(Input):
    """`confirm` is the organization's short name, typed by who means it."""

    confirm: str = Field(max_length=100)
    without_export: bool = False
