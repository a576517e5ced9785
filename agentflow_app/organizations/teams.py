"""Teams: named groups of members."""

from collections import defaultdict
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from agentflow_app.accounts.people import find_people
from agentflow_app.audit.service import record
from agentflow_app.core.database import Transaction
from agentflow_app.core.errors import Conflict, NotFound
from agentflow_app.core.ids import new_id
from agentflow_app.core.pagination import Page, PageQuery, like, paginate
from agentflow_app.core.tenancy import Actor
from agentflow_app.organizations.base import OrganizationUseCases
from agentflow_app.organizations.members import MemberNotFound
from agentflow_app.organizations.models import Membership, Team, TeamMembership
from agentflow_app.organizations.schemas import TeamIn, TeamMemberOut, TeamOut

_SORT = {"created_at": col(Team.created_at), "name": col(Team.name)}


class TeamNotFound(NotFound):
    code = "TEAM_NOT_FOUND"

    def __init__(self, team_id: UUID) -> None:
        super().__init__(f"There is no team {team_id}")


class TeamNameTaken(Conflict):
    code = "TEAM_NAME_TAKEN"

    def __init__(self) -> None:
        super().__init__(
            "Another team has this name", details={"fields": {"name": "is the name of another team"}}
        )


class TeamService(OrganizationUseCases):
    async def list(self, query: PageQuery) -> Page[TeamOut]:
        self.actor.require("teams:read")
        statement = select(Team).where(col(Team.org_id) == self.actor.org_id)
        if query.search:
            statement = statement.where(col(Team.name).ilike(like(query.search)))
        page = await paginate(self.tx, statement, query, _SORT, col(Team.id), _same)
        return Page(data=await _render(self.tx, page.data), next_cursor=page.next_cursor)

    async def own_names(self) -> tuple[str, ...]:
        """Of the teams that the person is in."""
        mine = await teams_of(self.tx, self.actor)
        query = select(col(Team.name)).where(col(Team.id).in_(mine)).order_by(col(Team.name))
        return tuple((await self.tx.execute(query)).scalars())

    async def get(self, team_id: UUID) -> TeamOut:
        self.actor.require("teams:read")
        return (await _render(self.tx, [await self._load(team_id)]))[0]

    async def create(self, data: TeamIn) -> TeamOut:
        """Raises TeamNameTaken."""
        self.actor.require("teams:write")
        team = Team(id=new_id(), org_id=self.actor.org_id, name=data.name)
        self.tx.add(team)
        self._record("team.created", team, {"name": data.name})
        await self._flush()
        await self.tx.refresh(team)
        return (await _render(self.tx, [team]))[0]

    async def rename(self, team_id: UUID, data: TeamIn) -> TeamOut:
        """Raises TeamNotFound or TeamNameTaken."""
        self.actor.require("teams:write")
        team = await self._load(team_id)
        if team.name != data.name:
            before, team.name = team.name, data.name
            self._record("team.renamed", team, before={"name": before}, after={"name": data.name})
            await self._flush()
        return (await _render(self.tx, [team]))[0]

    async def delete(self, team_id: UUID) -> None:
        """Its members stay members of the organization. Raises TeamNotFound."""
        self.actor.require("teams:write")
        team = await self._load(team_id)
        self._record("team.deleted", team, {"name": team.name})
        await self.tx.execute(delete(Team).where(col(Team.id) == team.id))

    async def add(self, team_id: UUID, user_id: UUID) -> TeamOut:
        """Of who is in it already nothing changes. Raises TeamNotFound or MemberNotFound."""
        self.actor.require("teams:write")
        team = await self._load(team_id)
        member = select(col(Membership.id)).where(
            col(Membership.org_id) == self.actor.org_id, col(Membership.user_id) == user_id
        )
        # Locked, so that a removal at the same time finds this row and takes it along.
        if (await self.tx.execute(member.with_for_update(read=True))).scalar_one_or_none() is None:
            raise MemberNotFound(user_id)
        row = {"id": new_id(), "org_id": self.actor.org_id, "team_id": team.id, "user_id": user_id}
        added = await self.tx.execute(
            insert(TeamMembership).values(**row).on_conflict_do_nothing().returning(col(TeamMembership.id))
        )
        if added.scalar_one_or_none() is not None:
            self._record("team.member_added", team, {"user_id": str(user_id)})
            await self.tx.flush()
        return (await _render(self.tx, [team]))[0]

    async def remove(self, team_id: UUID, user_id: UUID) -> None:
        """Raises TeamNotFound or MemberNotFound."""
        self.actor.require("teams:write")
        team = await self._load(team_id)
        gone = await self.tx.execute(
            delete(TeamMembership)
            .where(col(TeamMembership.team_id) == team.id, col(TeamMembership.user_id) == user_id)
            .returning(col(TeamMembership.id))
        )
        if gone.scalar_one_or_none() is None:
            raise MemberNotFound(user_id)
        self._record("team.member_removed", team, {"user_id": str(user_id)})
        await self.tx.flush()

    def _record(self, action: str, team: Team, details: dict[str, Any] | None = None, **change: Any) -> None:
        record(self.tx, self.actor, action, "team", team.id, details, **change)

    async def _flush(self) -> None:
        try:
            await self.tx.flush()
        except IntegrityError as error:
            raise TeamNameTaken from error

    async def _load(self, team_id: UUID) -> Team:
        query = select(Team).where(col(Team.id) == team_id, col(Team.org_id) == self.actor.org_id)
        team = (await self.tx.execute(query)).scalar_one_or_none()
        if team is None:
            raise TeamNotFound(team_id)
        return team


def _same(team: Team) -> Team:
    return team


async def _render(tx: Transaction, teams: list[Team]) -> list[TeamOut]:
    rows = await tx.execute(
        select(TeamMembership)
        .where(col(TeamMembership.team_id).in_([team.id for team in teams]))
        .order_by(col(TeamMembership.id))
    )
    within: dict[UUID, list[UUID]] = defaultdict(list)
    for row in rows.scalars():
        within[row.team_id].append(row.user_id)
    people = await find_people(tx, {user_id for ids in within.values() for user_id in ids})
    return [
        TeamOut(
            id=team.id,
            name=team.name,
            created_at=team.created_at,
            members=[
                TeamMemberOut(user_id=each, name=people[each].name, email=people[each].email)
                for each in within[team.id]
                if each in people
            ],
        )
        for team in teams
    ]


async def teams_of(tx: Transaction, actor: Actor) -> set[UUID]:
    """The teams that the actor is in."""
    rows = await tx.execute(
        select(col(TeamMembership.team_id)).where(
            col(TeamMembership.org_id) == actor.org_id, col(TeamMembership.user_id) == actor.user_id
        )
    )
    return set(rows.scalars())
