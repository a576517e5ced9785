"""How an organization comes to be: with its owner. Before there is a tenant, so on the system role."""

from uuid import UUID

from agentflow_app.core.database import Transaction
from agentflow_app.core.ids import new_id, new_slug
from agentflow_app.organizations.models import Membership, Organization


async def found(tx: Transaction, name: str, owner_id: UUID) -> Organization:
    """`tx` is one of the system role."""
    org_id = new_id()
    organization = Organization(id=org_id, name=name, slug=new_slug(name, suffix=org_id.hex[-6:]))
    tx.add(organization)
    await tx.flush()
    tx.add(Membership(user_id=owner_id, org_id=org_id, role="owner"))
    await tx.flush()
    return organization
