"""Teams and who is in them."""

from dataclasses import dataclass, field
from typing import Any

import reflex as rx

from agentflow_app.core.errors import AppError
from agentflow_app.core.pagination import PageQuery
from agentflow_app.organizations.members import MemberService
from agentflow_app.organizations.schemas import MemberQuery, TeamIn, TeamOut
from agentflow_app.organizations.teams import TeamService
from agentflow_app.ui.forms import problem, read_form, text_of
from agentflow_app.ui.session import PageState, acts, event, id_of, loads
from agentflow_app.ui.shell import Shell


@dataclass
class PersonRow:
    id: str = ""
    name: str = ""
    email: str = ""


@dataclass
class TeamRow:
    id: str = ""
    name: str = ""
    members: list[PersonRow] = field(default_factory=list)
    others: list[PersonRow] = field(default_factory=list)


class Teams(PageState, rx.State):
    rows: list[TeamRow] = []
    editable: bool = False
    naming: bool = False
    target: TeamRow = TeamRow()
    deleting: bool = False
    error: str = ""

    @event
    @loads
    async def load(self) -> None:
        self.naming, self.deleting, self.error = False, False, ""
        await self._read()

    async def _read(self) -> None:
        shell = await self.get_state(Shell)
        async with self._transaction() as (tx, actor):
            shell._show(actor)
            teams = await TeamService(tx, actor).list(PageQuery(sort="name", order="asc", limit=100))
            members = await MemberService(tx, actor).list(MemberQuery(order="asc", limit=100))
            self.editable = actor.can("teams:write")
        people = [PersonRow(str(each.user_id), each.name, each.email) for each in members.data]
        self.rows = [_row(team, people) for team in teams.data]

    @event
    @acts
    async def open_name(self, team_id: str) -> None:
        """Of a new team where the id is empty."""
        await self._ensure("teams:read")
        found = next((row for row in self.rows if row.id == team_id), TeamRow())
        self.target, self.naming, self.error = found, True, ""

    @event
    async def set_naming(self, is_open: bool) -> None:
        self.naming, self.error = bool(is_open), ""

    @event
    @acts
    async def save(self, form: dict[str, Any]) -> Any:
        try:
            data = read_form(TeamIn, {"name": text_of(form, "name")})
            async with self._transaction() as (tx, actor):
                service = TeamService(tx, actor)
                if self.target.id:
                    await service.rename(id_of(self.target.id), data)
                else:
                    await service.create(data)
        except AppError as error:
            self.error = problem(error)
            return None
        self.naming = False
        await self._read()
        return rx.toast.success(f"Saved {data.name}")

    @event
    @acts
    async def ask_delete(self, team_id: str) -> None:
        await self._ensure("teams:read")
        found = next((row for row in self.rows if row.id == team_id), None)
        if found is not None:
            self.target, self.deleting = found, True

    @event
    async def set_deleting(self, is_open: bool) -> None:
        self.deleting = bool(is_open)

    @event
    @acts
    async def delete(self) -> Any:
        self.deleting = False
        async with self._transaction() as (tx, actor):
            await TeamService(tx, actor).delete(id_of(self.target.id))
        await self._read()
        return rx.toast.success(f"Deleted {self.target.name}")

    @event
    @acts
    async def add(self, team_id: str, user_id: str) -> None:
        async with self._transaction() as (tx, actor):
            await TeamService(tx, actor).add(id_of(team_id), id_of(user_id))
        await self._read()

    @event
    @acts
    async def remove(self, team_id: str, user_id: str) -> None:
        async with self._transaction() as (tx, actor):
            await TeamService(tx, actor).remove(id_of(team_id), id_of(user_id))
        await self._read()


def _row(team: TeamOut, people: list[PersonRow]) -> TeamRow:
    members = [PersonRow(str(each.user_id), each.name, each.email) for each in team.members]
    within = {each.id for each in members}
    return TeamRow(str(team.id), team.name, members, [each for each in people if each.id not in within])
