"""Who belongs to the organization: listed, given roles, deactivated, removed, and who owns it.

Each change locks the organization's row first, so that two owners cannot leave it to nobody at once.
"""

from typing import get_args
from uuid import UUID

from sqlalchemy import delete, select
from sqlmodel import col

from agentflow_app.accounts.api_keys import end_keys_of
from agentflow_app.accounts.people import PersonOut, find_people, matching
from agentflow_app.accounts.sessions import end_logins
from agentflow_app.audit.service import record
from agentflow_app.core.database import Transaction
from agentflow_app.core.errors import Conflict, Forbidden, NotFound
from agentflow_app.core.pagination import Page, paginate
from agentflow_app.core.tenancy import ROLE_PERMISSIONS, Role
from agentflow_app.organizations.base import OrganizationUseCases
from agentflow_app.organizations.models import Invitation, Membership, TeamMembership
from agentflow_app.organizations.schemas import MemberOut, MemberQuery, MemberStatus

RANK: dict[str, int] = {role: rank for rank, role in enumerate(reversed(get_args(Role)))}
"""The higher the more: a viewer 0, an owner 3."""
_SORT = {"created_at": col(Membership.created_at), "role": col(Membership.role)}


class MemberNotFound(NotFound):
    code = "MEMBER_NOT_FOUND"

    def __init__(self, user_id: UUID) -> None:
        super().__init__(f"There is no member {user_id}")


class LastOwner(Conflict):
    code = "LAST_OWNER"

    def __init__(self) -> None:
        super().__init__("An organization needs an active owner: make somebody else one first")


class RoleTooHigh(Forbidden):
    code = "ROLE_TOO_HIGH"

    def __init__(self) -> None:
        super().__init__("Nobody gives a role above their own, or decides over somebody who has one")


class OwnStatus(Conflict):
    code = "OWN_STATUS"

    def __init__(self) -> None:
        super().__init__("You cannot deactivate yourself; leave the organization instead")


class MemberService(OrganizationUseCases):
    async def list(self, query: MemberQuery) -> Page[MemberOut]:
        self.actor.require("members:read")
        statement = select(Membership).where(col(Membership.org_id) == self.actor.org_id)
        if query.role:
            statement = statement.where(col(Membership.role) == query.role)
        if query.search:
            statement = statement.where(col(Membership.user_id).in_(matching(query.search)))
        page = await paginate(self.tx, statement, query, _SORT, col(Membership.id), _same)
        people = await find_people(self.tx, {each.user_id for each in page.data})
        return Page(
            data=[self._render(each, people[each.user_id]) for each in page.data],
            next_cursor=page.next_cursor,
        )

    async def set_role(self, user_id: UUID, role: Role) -> MemberOut:
        """Raises MemberNotFound, RoleTooHigh or LastOwner."""
        member = await self._other(user_id)
        if RANK[role] > RANK[self.actor.role]:
            raise RoleTooHigh
        if member.role != role:
            if member.role == "owner":
                await self._ensure_another_owner(user_id)
            before, member.role = member.role, role
            await withdraw_invitations(self.tx, self.actor.org_id, user_id, role)
            record(
                self.tx,
                self.actor,
                "member.role_changed",
                "member",
                user_id,
                before={"role": before},
                after={"role": role},
            )
            await self.tx.flush()
        return await self._shown(member)

    async def set_status(self, user_id: UUID, status: MemberStatus) -> MemberOut:
        """A deactivated member has no access at once, and keeps role and teams for later.

        Raises MemberNotFound, RoleTooHigh, LastOwner or OwnStatus.
        """
        member = await self._other(user_id)
        if user_id == self.actor.user_id:
            raise OwnStatus
        if member.status != status:
            if status == "deactivated":
                if member.role == "owner":
                    await self._ensure_another_owner(user_id)
                await withdraw_invitations(self.tx, self.actor.org_id, user_id, None)
                await end_logins(self.actor.org_id, user_id)
            before, member.status = member.status, status
            record(
                self.tx,
                self.actor,
                "member.deactivated" if status == "deactivated" else "member.activated",
                "member",
                user_id,
                before={"status": before},
                after={"status": status},
            )
            await self.tx.flush()
        return await self._shown(member)

    async def remove(self, user_id: UUID) -> None:
        """Somebody else, or oneself: that is leaving, and anybody may. Keys and logins end with it.

        Raises MemberNotFound, RoleTooHigh or LastOwner.
        """
        leaving = user_id == self.actor.user_id
        if leaving:
            self.require_person()
            await self.lock()
            member = await self._load(user_id)
        else:
            member = await self._other(user_id)
        if member.role == "owner":
            await self._ensure_another_owner(user_id)
        keys = await end_keys_of(self.tx, self.actor.org_id, user_id)
        await withdraw_invitations(self.tx, self.actor.org_id, user_id, None)
        await self.tx.execute(
            delete(TeamMembership).where(
                col(TeamMembership.org_id) == self.actor.org_id, col(TeamMembership.user_id) == user_id
            )
        )
        record(
            self.tx,
            self.actor,
            "member.left" if leaving else "member.removed",
            "member",
            user_id,
            {"api_keys_ended": keys},
            before={"role": member.role},
        )
        await self.tx.delete(member)
        await self.tx.flush()
        await end_logins(self.actor.org_id, user_id)

    async def transfer(self, user_id: UUID) -> MemberOut:
        """Makes another active member the owner; who transfers becomes an admin.

        Raises MemberNotFound, or Conflict for oneself and for somebody who is not active.
        """
        self.actor.require("org:transfer")
        await self.lock()
        self.actor.require("org:transfer")
        if user_id == self.actor.user_id:
            raise Conflict("You own this organization already")
        heir = await self._load(user_id)
        if heir.status != "active":
            raise Conflict("A deactivated member cannot own the organization; activate them first")
        assert self.actor.user_id is not None
        mine = await self._load(self.actor.user_id)
        before, heir.role, mine.role = heir.role, "owner", "admin"
        await withdraw_invitations(self.tx, self.actor.org_id, self.actor.user_id, "admin")
        record(
            self.tx,
            self.actor,
            "organization.transferred",
            "organization",
            self.actor.org_id,
            {"to": str(user_id)},
            before={"role": before},
            after={"role": "owner"},
        )
        await self.tx.flush()
        return await self._shown(heir)

    async def _other(self, user_id: UUID) -> Membership:
        """A member whom the actor may decide over."""
        self.actor.require("members:write")
        await self.lock()
        self.actor.require("members:write")
        member = await self._load(user_id)
        if RANK[member.role] > RANK[self.actor.role]:
            raise RoleTooHigh
        return member

    async def _load(self, user_id: UUID) -> Membership:
        query = select(Membership).where(
            col(Membership.org_id) == self.actor.org_id, col(Membership.user_id) == user_id
        )
        member = (await self.tx.execute(query)).scalar_one_or_none()
        if member is None:
            raise MemberNotFound(user_id)
        return member

    async def _ensure_another_owner(self, user_id: UUID) -> None:
        others = (
            await self.tx.execute(
                select(col(Membership.user_id)).where(
                    col(Membership.org_id) == self.actor.org_id,
                    col(Membership.role) == "owner",
                    col(Membership.status) == "active",
                    col(Membership.user_id) != user_id,
                )
            )
        ).scalars()
        if not any(each.is_active for each in (await find_people(self.tx, set(others))).values()):
            raise LastOwner

    async def _shown(self, member: Membership) -> MemberOut:
        people = await find_people(self.tx, {member.user_id})
        return self._render(member, people[member.user_id])

    def _render(self, member: Membership, person: PersonOut) -> MemberOut:
        return MemberOut(
            user_id=member.user_id,
            name=person.name,
            email=person.email,
            role=member.role,
            status="active" if member.status == "active" and person.is_active else "deactivated",
            is_self=member.user_id == self.actor.user_id,
            joined_at=member.created_at,
        )


def _same(member: Membership) -> Membership:
    return member


async def withdraw_invitations(tx: Transaction, org_id: UUID, user_id: UUID, role: Role | None) -> None:
    """Removes what this person invited to and, with `role` from now on (None: no access), could not grant."""
    may_invite = role is not None and "members:write" in ROLE_PERMISSIONS[role]
    beyond = [each for each in get_args(Role) if role is None or not may_invite or RANK[each] > RANK[role]]
    await tx.execute(
        delete(Invitation).where(
            col(Invitation.org_id) == org_id,
            col(Invitation.invited_by) == user_id,
            col(Invitation.role).in_(beyond),
        )
    )
