"""The organization itself: its name, its settings, and the others that a person belongs to."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from agentflow_app.audit.service import record
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import Conflict, NotFound
from agentflow_app.core.tenancy import Actor
from agentflow_app.organizations.base import OrganizationUseCases, PeopleOnly
from agentflow_app.organizations.founding import found
from agentflow_app.organizations.models import Membership, Organization
from agentflow_app.organizations.schemas import (
    MineOut,
    OrganizationCreate,
    OrganizationOut,
    OrganizationUpdate,
)
from agentflow_app.organizations.settings import OrganizationSettings, read_settings


class SlugTaken(Conflict):
    code = "SLUG_TAKEN"

    def __init__(self) -> None:
        super().__init__(
            "Another organization has this short name; choose another one",
            details={"fields": {"slug": "is taken"}},
        )


class OrganizationService(OrganizationUseCases):
    async def get(self) -> OrganizationOut:
        self.actor.require("org:read")
        return _render(await self.organization())

    async def settings(self) -> OrganizationSettings:
        """For other features, which ask about a rule on behalf of any member."""
        return read_settings((await self.organization()).settings)

    async def update(self, data: OrganizationUpdate) -> OrganizationOut:
        """Raises SlugTaken."""
        self.actor.require("org:write")
        organization = await self.organization(lock=True)
        before = _told(organization)
        if data.name is not None:
            organization.name = data.name
        if data.slug is not None:
            organization.slug = data.slug
        if data.settings is not None:
            chosen = data.settings.model_dump(mode="json", exclude_unset=True)
            organization.settings = {**organization.settings, **chosen}
        after = _told(organization)
        if before == after:
            return _render(organization)
        organization.updated_at = utcnow()
        changed = {name for name in after if after[name] != before[name]}
        record(
            self.tx,
            self.actor,
            "organization.updated",
            "organization",
            organization.id,
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed},
        )
        try:
            await self.tx.flush()
        except IntegrityError as error:
            raise SlugTaken from error
        return _render(organization)


def _told(organization: Organization) -> dict[str, Any]:
    return {
        "name": organization.name,
        "slug": organization.slug,
        **read_settings(organization.settings).model_dump(mode="json"),
    }


def _render(organization: Organization) -> OrganizationOut:
    return OrganizationOut(
        id=organization.id,
        name=organization.name,
        slug=organization.slug,
        plan=organization.plan,
        settings=read_settings(organization.settings),
        created_at=organization.created_at,
        updated_at=organization.updated_at,
    )


async def mine(actor: Actor) -> list[MineOut]:
    """The organizations that the person may act in, in the order of joining. Reads across tenants."""
    if not actor.is_person:
        raise PeopleOnly
    query = (
        select(Organization, col(Membership.role))
        .join(Membership, col(Membership.org_id) == col(Organization.id))
        .where(
            col(Membership.user_id) == actor.user_id,
            col(Membership.status) == "active",
            col(Organization.suspended_at).is_(None),
            col(Organization.deleted_at).is_(None),
        )
        .order_by(col(Membership.created_at), col(Membership.id))
    )
    async with database().system() as tx:
        rows = (await tx.execute(query)).all()
    return [
        MineOut(id=org.id, name=org.name, slug=org.slug, role=role, current=org.id == actor.org_id)
        for org, role in rows
    ]


async def create(actor: Actor, data: OrganizationCreate) -> MineOut:
    """Makes another organization, owned by the person. Committed when it returns."""
    if not actor.is_person or actor.user_id is None:
        raise PeopleOnly
    async with database().system() as tx:
        made = await found(tx, data.name, actor.user_id)
        owner = Actor(actor.user_id, made.id, "owner", actor.email, actor.name, made.name)
        record(tx, owner, "organization.created", "organization", made.id, {"name": made.name})
    return MineOut(id=made.id, name=made.name, slug=made.slug, role="owner")


async def retaining() -> list[tuple[UUID, OrganizationSettings]]:
    """The organizations that keep runs or their logs for a time only. Reads across tenants."""
    stored = col(Organization.settings)
    chosen = or_(
        func.jsonb_typeof(stored["retention_days"]) == "number",
        func.jsonb_typeof(stored["log_retention_days"]) == "number",
    )
    query = select(col(Organization.id), stored).where(chosen).order_by(col(Organization.id))
    async with database().system() as tx:
        return [(org_id, read_settings(settings)) for org_id, settings in (await tx.execute(query)).all()]


class NoSuchSlug(NotFound):
    code = "ORGANIZATION_NOT_FOUND"

    def __init__(self, slug: str) -> None:
        super().__init__(f"There is no organization {slug}")


async def id_of_slug(tx: Transaction, slug: str) -> UUID:
    """On the system role. Raises NoSuchSlug."""
    found = await tx.execute(select(col(Organization.id)).where(col(Organization.slug) == slug))
    org_id = found.scalar_one_or_none()
    if org_id is None:
        raise NoSuchSlug(slug)
    return org_id


async def is_open(tx: Transaction, org_id: UUID) -> bool:
    """Whether it is neither suspended nor deleted. On the system role."""
    query = select(col(Organization.id)).where(
        col(Organization.id) == org_id,
        col(Organization.suspended_at).is_(None),
        col(Organization.deleted_at).is_(None),
    )
    return (await tx.execute(query)).scalar_one_or_none() is not None
