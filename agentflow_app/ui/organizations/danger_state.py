"""What is hard to take back: leaving the organization, handing it over, deleting it; and its export."""

import asyncio
from dataclasses import dataclass
from typing import Any

import reflex as rx

from agentflow_app.core.errors import AppError
from agentflow_app.core.pagination import PageQuery
from agentflow_app.organizations.deletion import delete_organization
from agentflow_app.organizations.exports import ExportService
from agentflow_app.organizations.members import MemberService
from agentflow_app.organizations.schemas import ExportOut, MemberQuery, OrganizationDelete
from agentflow_app.organizations.service import OrganizationService
from agentflow_app.organizations.tickets import ticket_for
from agentflow_app.ui.figures import moment, size
from agentflow_app.ui.forms import problem, read_form, text_of
from agentflow_app.ui.organizations.teams_state import PersonRow
from agentflow_app.ui.session import PageState, SignedOut, acts, background, event, id_of, loads
from agentflow_app.ui.shell import Shell

FOLLOW_SECONDS = 1.5
FOLLOWED = 120


@dataclass
class ExportRow:
    id: str = ""
    status: str = ""
    size: str = ""
    made: str = ""


class Danger(PageState, rx.State):
    organization: str = ""
    owner: bool = False
    heirs: list[PersonRow] = []
    heir: str = ""
    asking: str = ""
    slug: str = ""
    exports: list[ExportRow] = []
    ready: bool = False
    pending: bool = False
    error: str = ""

    @event
    @loads
    async def load(self) -> Any:
        shell = await self.get_state(Shell)
        self.asking, self.heir, self.error = "", "", ""
        await self._read_exports()
        async with self._transaction() as (tx, actor):
            shell._show(actor)
            self.organization = actor.org_name
            self.owner = actor.can("org:transfer")
            members = await MemberService(tx, actor).list(MemberQuery(order="asc", limit=100))
        self.heirs = [
            PersonRow(str(each.user_id), each.name, each.email)
            for each in members.data
            if not each.is_self and each.status == "active"
        ]
        return Danger.follow if self.pending else None

    async def _read_exports(self) -> None:
        """For owners only; nobody else sees that there are any."""
        rows: list[ExportOut] = []
        async with self._transaction() as (tx, actor):
            if actor.can("org:export"):
                rows = (await ExportService(tx, actor).list(PageQuery(limit=5))).data
                self.ready = await ExportService(tx, actor).is_fresh()
                self.slug = (await OrganizationService(tx, actor).get()).slug
        self.exports = [_export(each) for each in rows]
        self.pending = any(each.status == "pending" for each in rows)

    @background
    async def follow(self) -> None:
        """Looks again until the export is written, at most a few minutes."""
        for _ in range(FOLLOWED):
            await asyncio.sleep(FOLLOW_SECONDS)
            async with self:
                try:
                    await self._read_exports()
                except (SignedOut, AppError):
                    return
                if not self.pending:
                    return

    @event
    @acts
    async def export(self) -> Any:
        async with self._transaction() as (tx, actor):
            await ExportService(tx, actor).request()
        await self._read_exports()
        return Danger.follow

    @event
    @acts
    async def download(self, export_id: str) -> Any:
        async with self._transaction() as (tx, actor):
            found = await ExportService(tx, actor).get(id_of(export_id))
        return rx.redirect(f"/api/v1/exports/{ticket_for(actor, found.id)}", is_external=True)

    @event
    @acts
    async def delete(self, form: dict[str, Any]) -> Any:
        given = {
            "confirm": text_of(form, "confirm"),
            "without_export": bool(text_of(form, "without_export")),
        }
        try:
            data = read_form(OrganizationDelete, given)
            async with self._transaction() as (tx, actor):
                await delete_organization(tx, actor, data)
        except AppError as error:
            self.error = problem(error)
            return None
        return rx.redirect("/login")

    @event
    async def ask(self, what: str) -> Any:
        if what == "transfer" and not self.heir:
            return rx.toast.error("Choose who is to own the organization")
        self.error = ""
        self.asking = what if what in ("leave", "transfer", "delete") else ""
        return None

    @event
    async def set_asking(self, is_open: bool) -> None:
        self.asking = self.asking if is_open else ""

    @event
    async def set_heir(self, user_id: str) -> None:
        self.heir = str(user_id)

    @event
    @acts
    async def leave(self) -> Any:
        self.asking = ""
        async with self._transaction() as (tx, actor):
            if actor.user_id is not None:
                await MemberService(tx, actor).remove(actor.user_id)
        return rx.redirect("/login")

    @event
    @acts
    async def transfer(self) -> Any:
        self.asking = ""
        async with self._transaction() as (tx, actor):
            heir = await MemberService(tx, actor).transfer(id_of(self.heir))
        self.owner = False
        return rx.toast.success(f"{heir.name} owns the organization now; you are an admin")


def _export(export: ExportOut) -> ExportRow:
    return ExportRow(
        str(export.id),
        {"ready": "completed"}.get(export.status, export.status),
        size(export.size) if export.status == "ready" else "",
        moment(export.created_at),
    )
