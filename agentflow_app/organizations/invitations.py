"""Invitations: made, sent again, withdrawn, and taken by whom they are for.

The link carries a secret of which only the hash is kept. It is good for a week, once, for one address.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import col

from agentflow_app.accounts.people import find_people, member_address
from agentflow_app.accounts.tokens import digest, new_secret
from agentflow_app.audit.service import record
from agentflow_app.core.clock import utcnow
from agentflow_app.core.errors import Conflict, NotFound, TooManyRequests, ValidationFailed
from agentflow_app.core.ids import new_id
from agentflow_app.core.pagination import Page, PageQuery, like, paginate
from agentflow_app.core.settings import settings
from agentflow_app.mail.service import mail_configured, send
from agentflow_app.organizations.base import OrganizationUseCases
from agentflow_app.organizations.members import RANK, RoleTooHigh
from agentflow_app.organizations.models import Invitation
from agentflow_app.organizations.schemas import InvitationCreate, InvitationOut
from agentflow_app.organizations.settings import read_settings

LIFETIME = timedelta(days=7)
PAUSE = timedelta(seconds=60)
"""Between two messages to the same address, so that nobody is flooded."""
MAX_OPEN = 500
_SORT = {"created_at": col(Invitation.created_at), "email": col(Invitation.email)}


class InvitationGone(NotFound):
    """The same for one that never was, was taken, withdrawn, or has expired."""

    code = "INVITATION_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such invitation, or it was used, withdrawn, or has expired")


class AlreadyMember(Conflict):
    code = "ALREADY_MEMBER"

    def __init__(self) -> None:
        super().__init__(
            "This person is a member already",
            details={"fields": {"email": "belongs to a member already"}},
        )


class AlreadyInvited(Conflict):
    code = "ALREADY_INVITED"

    def __init__(self) -> None:
        super().__init__(
            "This address is invited already; send that invitation again instead",
            details={"fields": {"email": "is invited already"}},
        )


class InvitationService(OrganizationUseCases):
    async def list(self, query: PageQuery) -> Page[InvitationOut]:
        self.actor.require("members:write")
        statement = select(Invitation).where(col(Invitation.org_id) == self.actor.org_id)
        if query.search:
            statement = statement.where(col(Invitation.email).ilike(like(query.search)))
        page = await paginate(self.tx, statement, query, _SORT, col(Invitation.id), _same)
        people = await find_people(self.tx, {each.invited_by for each in page.data if each.invited_by})
        names = {user_id: person.name for user_id, person in people.items()}
        return Page(data=[_render(each, names) for each in page.data], next_cursor=page.next_cursor)

    async def create(self, data: InvitationCreate) -> InvitationOut:
        """Raises RoleTooHigh, AlreadyMember, AlreadyInvited or ValidationFailed."""
        self.actor.require("members:write")
        organization = await self.lock()
        self.actor.require("members:write")
        if RANK[data.role] > RANK[self.actor.role]:
            raise RoleTooHigh
        domains = read_settings(organization.settings).invitation_domains
        if domains and data.email.rpartition("@")[2] not in domains:
            raise ValidationFailed(fields={"email": f"must be an address at {' or '.join(domains)}"})
        if await member_address(self.tx, data.email) is not None:
            raise AlreadyMember
        mine = select(Invitation).where(col(Invitation.org_id) == self.actor.org_id)
        earlier = (
            await self.tx.execute(mine.where(col(Invitation.email) == data.email))
        ).scalar_one_or_none()
        if earlier is not None:
            if earlier.expires_at > utcnow():
                raise AlreadyInvited
            await self.tx.delete(earlier)
            await self.tx.flush()
        count = (
            select(func.count()).select_from(Invitation).where(col(Invitation.org_id) == self.actor.org_id)
        )
        if (await self.tx.execute(count)).scalar_one() >= MAX_OPEN:
            raise Conflict(f"{MAX_OPEN} invitations are open; withdraw some first")
        invitation = Invitation(
            id=new_id(),
            org_id=self.actor.org_id,
            email=data.email,
            role=data.role,
            token_hash="",
            invited_by=self.actor.user_id,
            created_at=utcnow(),
            expires_at=utcnow(),
        )
        self.tx.add(invitation)
        told = {"role": data.role}
        record(self.tx, self.actor, "invitation.created", "invitation", invitation.id, told)
        return await self._send(invitation)

    async def resend(self, invitation_id: UUID) -> InvitationOut:
        """A new link for another week, the old one is worthless. Raises InvitationGone, TooManyRequests."""
        self.actor.require("members:write")
        await self.lock()
        self.actor.require("members:write")
        invitation = await self._load(invitation_id)
        since = utcnow() - invitation.created_at
        if since < PAUSE:
            wait = int((PAUSE - since).total_seconds()) + 1
            raise TooManyRequests("It was sent a moment ago; wait a minute", retry_after=wait)
        invitation.created_at, invitation.invited_by = utcnow(), self.actor.user_id
        told = {"role": invitation.role}
        record(self.tx, self.actor, "invitation.resent", "invitation", invitation.id, told)
        return await self._send(invitation)

    async def withdraw(self, invitation_id: UUID) -> None:
        """Raises InvitationGone."""
        self.actor.require("members:write")
        invitation = await self._load(invitation_id)
        told = {"role": invitation.role}
        record(self.tx, self.actor, "invitation.withdrawn", "invitation", invitation.id, told)
        await self.tx.delete(invitation)
        await self.tx.flush()

    async def _load(self, invitation_id: UUID) -> Invitation:
        query = select(Invitation).where(
            col(Invitation.id) == invitation_id, col(Invitation.org_id) == self.actor.org_id
        )
        invitation = (await self.tx.execute(query.with_for_update())).scalar_one_or_none()
        if invitation is None:
            raise InvitationGone
        if RANK[invitation.role] > RANK[self.actor.role]:
            raise RoleTooHigh
        return invitation

    async def _send(self, invitation: Invitation) -> InvitationOut:
        """With a new secret. The link is in the answer only where there is no mail server to send it."""
        secret = new_secret()
        invitation.token_hash, invitation.expires_at = digest(secret), utcnow() + LIFETIME
        await self.tx.flush()
        names = {self.actor.user_id: self.actor.name} if self.actor.user_id else {}
        link = f"{settings().base_url}/invite/{secret}"
        await send(
            self.tx,
            to=invitation.email,
            subject=f"Join {_one_line(self.actor.org_name)} on AgentFlow",
            text=(
                f"{_one_line(self.actor.name)} invites you to {_one_line(self.actor.org_name)} on AgentFlow,"
                f" as {invitation.role}.\n\nAccept within {LIFETIME.days} days:\n{link}\n\n"
                "If you did not expect this, you can ignore it."
            ),
        )
        shown = None if mail_configured() else link
        return _render(invitation, names).model_copy(update={"link": shown})


def _one_line(name: str) -> str:
    """A name as it may stand in a letter: somebody else chose it."""
    return " ".join("".join(each if each.isprintable() else " " for each in name).split())[:100]


def _same(invitation: Invitation) -> Invitation:
    return invitation


def _render(invitation: Invitation, names: dict[UUID, str]) -> InvitationOut:
    return InvitationOut(
        id=invitation.id,
        email=invitation.email,
        role=invitation.role,
        invited_by=names.get(invitation.invited_by) if invitation.invited_by else None,
        created_at=invitation.created_at,
        expires_at=invitation.expires_at,
        expired=invitation.expires_at <= utcnow(),
    )
