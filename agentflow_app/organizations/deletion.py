"""The end of an organization: at once nobody gets in and nothing runs, later everything is removed."""

import logging
from datetime import timedelta

from sqlalchemy import delete, func, select, update
from sqlmodel import col

from agentflow_app.audit.service import record
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import Conflict, ValidationFailed
from agentflow_app.core.settings import settings
from agentflow_app.core.tenancy import Actor
from agentflow_app.organizations.exports import ExportService
from agentflow_app.organizations.models import Organization
from agentflow_app.organizations.schemas import OrganizationDelete

logger = logging.getLogger(__name__)


class ExportFirst(Conflict):
    code = "EXPORT_FIRST"

    def __init__(self) -> None:
        super().__init__("Export the organization first, or say that you do without an export")


async def delete_organization(tx: Transaction, actor: Actor, data: OrganizationDelete) -> None:
    """Raises ValidationFailed where the short name is not this organization's, and ExportFirst."""
    actor.require("org:delete")
    service = ExportService(tx, actor)
    organization = await service.organization(lock=True)
    if data.confirm != organization.slug:
        raise ValidationFailed(fields={"confirm": f"must be the short name, {organization.slug}"})
    if not data.without_export and not await service.is_fresh():
        raise ExportFirst
    organization.deleted_at = utcnow()
    told = {"name": organization.name, "without_export": data.without_export}
    record(tx, actor, "organization.deleted", "organization", organization.id, told)
    await tx.flush()


async def is_open(tx: Transaction, actor: Actor) -> bool:
    """Whether the organization is in use: neither suspended nor deleted."""
    query = select(col(Organization.id)).where(
        col(Organization.id) == actor.org_id,
        col(Organization.suspended_at).is_(None),
        col(Organization.deleted_at).is_(None),
    )
    return (await tx.execute(query)).scalar_one_or_none() is not None


async def remove_for_good() -> int:
    """Removes organizations that were deleted long enough ago, each by itself; how many."""
    grace = timedelta(days=settings().organization_grace_days)
    over = col(Organization.deleted_at) < func.now() - grace
    async with database().system() as tx:
        ids = list((await tx.execute(select(col(Organization.id)).where(over))).scalars())
    for org_id in ids:
        async with database().system() as tx:
            # Asked again in the statement itself: it may have been restored a moment ago.
            await tx.execute(delete(Organization).where(col(Organization.id) == org_id, over))
        logger.info("An organization was removed for good", extra={"org_id": str(org_id)})
    return len(ids)


async def set_standing(tx: Transaction, org_id: object, *, suspended: bool) -> bool:
    """For the operator: suspends, or brings back what is suspended or deleted. Whether there is such.

    On the system role.
    """
    changes = {"suspended_at": func.now()} if suspended else {"suspended_at": None, "deleted_at": None}
    changed = (
        update(Organization)
        .where(col(Organization.id) == org_id)
        .values(**changes)
        .returning(col(Organization.id))
    )
    return (await tx.execute(changed)).scalar_one_or_none() is not None
