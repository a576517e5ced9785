"""Taking an invitation: whoever holds the link is told what it is for, and its addressee becomes a member."""

import re
from dataclasses import replace
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from agentflow_app.accounts.people import find_people
from agentflow_app.accounts.service import Kind, Login, make_account, open_login
from agentflow_app.accounts.service import has_account as known
from agentflow_app.accounts.tokens import digest
from agentflow_app.audit.service import record
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import Forbidden
from agentflow_app.core.ids import new_id
from agentflow_app.core.tenancy import Actor, Role, role_of
from agentflow_app.organizations.base import PeopleOnly
from agentflow_app.organizations.invitations import AlreadyMember, InvitationGone
from agentflow_app.organizations.members import withdraw_invitations
from agentflow_app.organizations.models import Invitation, Membership, Organization
from agentflow_app.organizations.schemas import AcceptInvitation, InvitationPreview

_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,100}")


class NotForYou(Forbidden):
    code = "INVITATION_FOR_ANOTHER_ADDRESS"

    def __init__(self) -> None:
        super().__init__("This invitation is for another e-mail address; log in with that one")


class MembershipEnded(Forbidden):
    code = "MEMBERSHIP_ENDED"

    def __init__(self) -> None:
        super().__init__("This membership was deactivated; ask the organization's admins")


async def preview(token: str) -> InvitationPreview:
    """What whoever holds the link may know. Raises InvitationGone."""
    invitation, organization = await _find(token)
    return InvitationPreview(
        organization=organization.name,
        email=invitation.email,
        role=role_of(invitation.role),
        expires_at=invitation.expires_at,
        has_account=await known(invitation.email),
    )


async def accept(actor: Actor, token: str) -> UUID:
    """The organization that the person is now in. Raises InvitationGone, NotForYou, AlreadyMember."""
    if not actor.is_person or actor.user_id is None:
        raise PeopleOnly
    invitation, organization = await _find(token)
    if invitation.email != actor.email:
        raise NotForYou
    await _join(actor.user_id, actor.name, invitation, organization)
    return organization.id


async def accept_anew(token: str, data: AcceptInvitation, kind: Kind) -> Login:
    """Makes the account that the invitation is for, and logs it in there.

    Raises InvitationGone, and EmailTaken where the address has an account: that one logs in to accept.
    """
    invitation, organization = await _find(token)
    user_id = await make_account(invitation.email, data.name, data.password)
    await _join(user_id, data.name, invitation, organization)
    return await open_login(user_id, organization.id, kind, method="invitation")


async def _find(token: str) -> tuple[Invitation, Organization]:
    """Across tenants: the token is all that is known."""
    if not _TOKEN.fullmatch(token):
        raise InvitationGone
    query = (
        select(Invitation, Organization)
        .join(Organization, col(Organization.id) == col(Invitation.org_id))
        .where(
            col(Invitation.token_hash) == digest(token),
            col(Organization.suspended_at).is_(None),
            col(Organization.deleted_at).is_(None),
        )
    )
    async with database().system() as tx:
        row = (await tx.execute(query)).one_or_none()
    if row is None or row[0].expires_at <= utcnow():
        raise InvitationGone
    return row[0], row[1]


async def _join(user_id: UUID, name: str, invitation: Invitation, organization: Organization) -> None:
    """Once: who comes second finds the invitation gone."""
    role = role_of(invitation.role)
    actor = Actor(user_id, organization.id, role, invitation.email, name, organization.name)
    async with database().transaction(actor) as tx:
        query = select(Invitation).where(
            col(Invitation.id) == invitation.id, col(Invitation.token_hash) == invitation.token_hash
        )
        held = (await tx.execute(query.with_for_update())).scalar_one_or_none()
        if held is None:
            raise InvitationGone
        if await _is_member(tx, actor):
            raise AlreadyMember
        tx.add(Membership(user_id=user_id, org_id=organization.id, role=role))
        await tx.delete(held)
        record(tx, actor, "member.joined", "member", user_id, {"invitation_id": str(held.id), "role": role})
        await tx.flush()


async def _is_member(tx: Transaction, actor: Actor) -> bool:
    query = select(col(Membership.id)).where(
        col(Membership.org_id) == actor.org_id, col(Membership.user_id) == actor.user_id
    )
    return (await tx.execute(query)).scalar_one_or_none() is not None


async def admit(user_id: UUID, org_id: UUID, role: Role, *, mapped: bool) -> None:
    """A member by the organization's own identity provider; `mapped`: it decides the role each time.

    An owner stays one. Raises MembershipEnded for who was deactivated.
    """
    person = Actor(user_id, org_id, role, "", "", "")
    async with database().transaction(person) as tx:
        query = select(Membership).where(col(Membership.org_id) == org_id, col(Membership.user_id) == user_id)
        held = (await tx.execute(query.with_for_update())).scalar_one_or_none()
        if held is None:
            made = insert(Membership).values(
                id=new_id(), user_id=user_id, org_id=org_id, role=role, status="active"
            )
            new = made.on_conflict_do_nothing().returning(col(Membership.id))
            if (await tx.execute(new)).scalar_one_or_none() is not None:
                actor = await _as_person(tx, person)
                record(tx, actor, "member.joined", "member", user_id, {"by": "sso", "role": role})
        elif held.status != "active":
            raise MembershipEnded
        elif mapped and held.role not in ("owner", role):
            before, held.role = held.role, role
            await withdraw_invitations(tx, org_id, user_id, role)
            record(
                tx,
                await _as_person(tx, person),
                "member.role_changed",
                "member",
                user_id,
                {"by": "sso"},
                before={"role": before},
                after={"role": role},
            )
        await tx.flush()


async def _as_person(tx: Transaction, actor: Actor) -> Actor:
    assert actor.user_id is not None
    await tx.flush()
    person = (await find_people(tx, [actor.user_id]))[actor.user_id]
    return replace(actor, email=person.email, name=person.name)
