"""Members and those who are invited."""

from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import urlencode

import reflex as rx

from agentflow_app.core.errors import AppError
from agentflow_app.core.pagination import PageQuery
from agentflow_app.core.tenancy import Actor, Role
from agentflow_app.organizations.invitations import InvitationService
from agentflow_app.organizations.members import RANK, MemberService
from agentflow_app.organizations.schemas import (
    InvitationCreate,
    InvitationOut,
    MemberOut,
    MemberQuery,
    MemberStatusUpdate,
    RoleUpdate,
)
from agentflow_app.ui.figures import moment
from agentflow_app.ui.forms import problem, read_form, text_of
from agentflow_app.ui.session import PageState, acts, event, id_of, loads
from agentflow_app.ui.shell import Shell


@dataclass
class MemberRow:
    id: str = ""
    name: str = ""
    email: str = ""
    role: str = ""
    active: bool = True
    is_self: bool = False
    changeable: bool = False
    joined: str = ""


@dataclass
class InvitationRow:
    id: str = ""
    email: str = ""
    role: str = ""
    by: str = ""
    expires: str = ""
    expired: bool = False
    changeable: bool = False


class Members(PageState, rx.State):
    rows: list[MemberRow] = []
    invitations: list[InvitationRow] = []
    roles: list[str] = []
    search: str = ""
    more: bool = False
    editable: bool = False

    inviting: bool = False
    link: str = ""
    invited: str = ""
    form_error: str = ""

    target: MemberRow = MemberRow()
    asking: str = ""
    _cursor: str | None = None

    @event
    @loads
    async def load(self) -> None:
        self.search = self.router.url.query_parameters.get("search", "")[:200]
        self.inviting, self.link, self.asking = False, "", ""
        await self._read()

    def _query(self, **extra: Any) -> MemberQuery:
        return MemberQuery(search=self.search or None, order="asc", limit=50, **extra)

    async def _read(self) -> None:
        shell = await self.get_state(Shell)
        async with self._transaction() as (tx, actor):
            shell._show(actor)
            page = await MemberService(tx, actor).list(self._query())
            self.editable = actor.can("members:write")
            open_ones: list[InvitationOut] = []
            if self.editable:
                open_ones = (await InvitationService(tx, actor).list(PageQuery(limit=100))).data
        self.roles = [role for role in get_args(Role) if RANK[role] <= RANK[actor.role]]
        self.rows = [_member(each, actor) for each in page.data]
        self.invitations = [_invitation(each, actor) for each in open_ones]
        self._cursor, self.more = page.next_cursor, page.next_cursor is not None

    @event
    @acts
    async def load_more(self) -> None:
        async with self._transaction() as (tx, actor):
            page = await MemberService(tx, actor).list(self._query(cursor=self._cursor))
        self.rows = [*self.rows, *(_member(each, actor) for each in page.data)]
        self._cursor, self.more = page.next_cursor, page.next_cursor is not None

    @event
    async def set_search(self, search: str) -> Any:
        self.search = str(search)[:200]
        query = urlencode({"search": self.search}) if self.search else ""
        return rx.redirect(f"/settings/members?{query}" if query else "/settings/members", replace=True)

    @event
    async def set_inviting(self, is_open: bool) -> None:
        self.inviting, self.link, self.form_error = bool(is_open), "", ""

    @event
    @acts
    async def invite(self, form: dict[str, Any]) -> Any:
        given = {"email": text_of(form, "email"), "role": text_of(form, "role")}
        try:
            data = read_form(InvitationCreate, given)
            async with self._transaction() as (tx, actor):
                made = await InvitationService(tx, actor).create(data)
        except AppError as error:
            self.form_error = problem(error)
            return None
        return await self._sent(made)

    async def _sent(self, made: InvitationOut) -> Any:
        await self._read()
        self.form_error, self.link, self.invited = "", made.link or "", made.email
        self.inviting = bool(made.link)
        return None if made.link else rx.toast.success(f"Invited {made.email}")

    @event
    @acts
    async def resend(self, invitation_id: str) -> Any:
        async with self._transaction() as (tx, actor):
            made = await InvitationService(tx, actor).resend(id_of(invitation_id))
        return await self._sent(made)

    @event
    @acts
    async def withdraw(self, invitation_id: str) -> Any:
        async with self._transaction() as (tx, actor):
            await InvitationService(tx, actor).withdraw(id_of(invitation_id))
        await self._read()
        return rx.toast.success("Withdrawn: the link no longer works")

    @event
    @acts
    async def set_role(self, user_id: str, role: str) -> Any:
        try:
            data = read_form(RoleUpdate, {"role": role})
            async with self._transaction() as (tx, actor):
                changed = await MemberService(tx, actor).set_role(id_of(user_id), data.role)
        finally:
            await self._read()
        return rx.toast.success(f"{changed.name} is now {changed.role}")

    @event
    @acts
    async def ask(self, what: str, user_id: str) -> None:
        """Opens the question before somebody loses access."""
        await self._ensure("members:read")
        found = next((row for row in self.rows if row.id == user_id), None)
        if found is not None and what in ("remove", "deactivate"):
            self.target, self.asking = found, what

    @event
    async def set_asking(self, is_open: bool) -> None:
        self.asking = self.asking if is_open else ""

    @event
    @acts
    async def activate(self, user_id: str) -> Any:
        return await self._set_status(user_id, "active")

    @event
    @acts
    async def confirm(self) -> Any:
        asked, self.asking = self.asking, ""
        if asked == "deactivate":
            return await self._set_status(self.target.id, "deactivated")
        if asked != "remove":
            return None
        async with self._transaction() as (tx, actor):
            await MemberService(tx, actor).remove(id_of(self.target.id))
        await self._read()
        return rx.toast.success(f"{self.target.name} is no longer a member")

    async def _set_status(self, user_id: str, status: str) -> Any:
        data = read_form(MemberStatusUpdate, {"status": status})
        async with self._transaction() as (tx, actor):
            changed = await MemberService(tx, actor).set_status(id_of(user_id), data.status)
        await self._read()
        outcome = "has no access any more" if status == "deactivated" else "is back"
        return rx.toast.success(f"{changed.name} {outcome}")


def _member(member: MemberOut, actor: Actor) -> MemberRow:
    return MemberRow(
        id=str(member.user_id),
        name=member.name,
        email=member.email,
        role=member.role,
        active=member.status == "active",
        is_self=member.is_self,
        changeable=(
            actor.can("members:write") and not member.is_self and RANK[member.role] <= RANK[actor.role]
        ),
        joined=moment(member.joined_at),
    )


def _invitation(invitation: InvitationOut, actor: Actor) -> InvitationRow:
    return InvitationRow(
        id=str(invitation.id),
        email=invitation.email,
        role=invitation.role,
        by=invitation.invited_by or "",
        expires=moment(invitation.expires_at),
        expired=invitation.expired,
        changeable=RANK[invitation.role] <= RANK[actor.role],
    )
