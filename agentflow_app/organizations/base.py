"""What the organization use cases share."""

from dataclasses import replace

from sqlalchemy import select
from sqlmodel import col

from agentflow_app.core.database import Transaction
from agentflow_app.core.errors import Forbidden, Unauthenticated
from agentflow_app.core.tenancy import Actor, role_of
from agentflow_app.organizations.models import Membership, Organization


class PeopleOnly(Forbidden):
    code = "PERSON_NEEDED"

    def __init__(self) -> None:
        super().__init__("This needs a person: log in, an API key cannot do it")


class OrganizationUseCases:
    """Bound to one transaction and one actor."""

    def __init__(self, tx: Transaction, actor: Actor) -> None:
        self.tx = tx
        self.actor = actor

    async def organization(self, *, lock: bool = False) -> Organization:
        """The actor's. Locked, changes of who its owners are come one after the other."""
        query = select(Organization).where(col(Organization.id) == self.actor.org_id)
        if lock:
            query = query.with_for_update(key_share=True)
        return (await self.tx.execute(query)).scalar_one()

    async def lock(self) -> Organization:
        """The organization, and from now on the actor's role of now: it may have changed while we waited.

        Raises Unauthenticated for who is no member any more.
        """
        organization = await self.organization(lock=True)
        if self.actor.provisions:
            return organization
        query = select(col(Membership.role)).where(
            col(Membership.org_id) == self.actor.org_id,
            col(Membership.user_id) == self.actor.user_id,
            col(Membership.status) == "active",
        )
        role = (await self.tx.execute(query)).scalar_one_or_none()
        if role is None:
            raise Unauthenticated
        self.actor = replace(self.actor, role=role_of(role))
        return organization

    def require_person(self) -> None:
        if not self.actor.is_person:
            raise PeopleOnly
