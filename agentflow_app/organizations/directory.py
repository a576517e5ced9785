"""Members as the organization's identity provider keeps them: those of its own domains, and only those."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from agentflow_app.accounts.people import find_people, member_address, within
from agentflow_app.audit.service import record
from agentflow_app.core.ids import new_id
from agentflow_app.core.tenancy import Role
from agentflow_app.organizations.invitations import AlreadyMember
from agentflow_app.organizations.members import MemberNotFound, MemberService
from agentflow_app.organizations.models import Membership
from agentflow_app.organizations.schemas import MemberOut


class Directory(MemberService):
    async def people(
        self, domains: Collection[str], *, email: str | None = None, skip: int = 0, take: int = 100
    ) -> tuple[list[MemberOut], int]:
        """In the order of joining, and how many there are in all; `email`: only whose address that is."""
        self.actor.require("members:read")
        mine = [
            col(Membership.org_id) == self.actor.org_id,
            col(Membership.user_id).in_(within(domains)),
        ]
        if email is not None:
            mine.append(col(Membership.user_id) == await member_address(self.tx, email))
        total = (await self.tx.execute(select(func.count()).where(*mine))).scalar_one()
        query = select(Membership).where(*mine).order_by(col(Membership.created_at), col(Membership.id))
        rows = (await self.tx.execute(query.offset(skip).limit(take))).scalars().all()
        known = await find_people(self.tx, {each.user_id for each in rows})
        return [self._render(each, known[each.user_id]) for each in rows], total

    async def person(self, domains: Collection[str], user_id: UUID) -> MemberOut:
        """Raises MemberNotFound, also for a member of another domain."""
        self.actor.require("members:read")
        if user_id not in await self.managed(domains, {user_id}):
            raise MemberNotFound(user_id)
        return await self._shown(await self._load(user_id))

    async def managed(self, domains: Collection[str], ids: Collection[UUID]) -> set[UUID]:
        """Those of `ids` who are members with an address in the domains."""
        self.actor.require("members:read")
        query = select(col(Membership.user_id)).where(
            col(Membership.org_id) == self.actor.org_id,
            col(Membership.user_id).in_(ids),
            col(Membership.user_id).in_(within(domains)),
        )
        return set((await self.tx.execute(query)).scalars())

    async def enroll(self, user_id: UUID, role: Role) -> None:
        """Raises AlreadyMember, also for one who is deactivated."""
        self.actor.require("members:write")
        row = {"id": new_id(), "user_id": user_id, "org_id": self.actor.org_id, "role": role}
        made = insert(Membership).values(**row, status="active").on_conflict_do_nothing()
        if (await self.tx.execute(made.returning(col(Membership.id)))).scalar_one_or_none() is None:
            raise AlreadyMember
        record(self.tx, self.actor, "member.joined", "member", user_id, {"role": role})
        await self.tx.flush()
