"""What is hard to take back: leaving the organization, and handing it over."""

from typing import Any

import reflex as rx

from agentflow_app.organizations.members import MemberService
from agentflow_app.organizations.schemas import MemberQuery
from agentflow_app.ui.organizations.teams_state import PersonRow
from agentflow_app.ui.session import PageState, acts, event, id_of, loads
from agentflow_app.ui.shell import Shell


class Danger(PageState, rx.State):
    organization: str = ""
    owner: bool = False
    heirs: list[PersonRow] = []
    heir: str = ""
    asking: str = ""

    @event
    @loads
    async def load(self) -> None:
        shell = await self.get_state(Shell)
        self.asking, self.heir = "", ""
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

    @event
    async def ask(self, what: str) -> Any:
        if what == "transfer" and not self.heir:
            return rx.toast.error("Choose who is to own the organization")
        self.asking = what if what in ("leave", "transfer") else ""
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
