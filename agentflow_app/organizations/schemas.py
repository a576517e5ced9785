"""What the organization calls take and give."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from agentflow_app.core.schemas import Input, Name, Output
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
