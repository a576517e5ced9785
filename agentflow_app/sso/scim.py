"""SCIM 2.0: an organization's identity provider keeps its members and teams.

Users are the members with an address in a verified domain of a connection in use; groups are teams, of whose
members only those users are shown and changed. An account's name and address are its person's: given when it
is made, never changed from here.
"""

import json
import re
from collections.abc import Collection
from typing import Any, TypeVar
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from agentflow_app.accounts.arrivals import arrive, is_unproved
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import Conflict
from agentflow_app.core.pagination import PageQuery
from agentflow_app.core.schemas import Name, parse_email, storable_json
from agentflow_app.core.tenancy import Actor, role_of
from agentflow_app.organizations.directory import Directory
from agentflow_app.organizations.invitations import AlreadyMember
from agentflow_app.organizations.schemas import MemberOut, TeamIn, TeamOut
from agentflow_app.organizations.teams import TeamService
from agentflow_app.sso.domains import domain_of, roles_by_domain
from agentflow_app.sso.errors import ScimRefused
from agentflow_app.sso.scim_schemas import GROUP, LIST, MOST, USER, Patch, ScimGroup, ScimMember, ScimUser
from agentflow_app.sso.scim_tokens import base_url

MOST_SHOWN = 100
Parsed = TypeVar("Parsed")
_FILTER = re.compile(r'\s*([A-Za-z]+)\s+eq\s+("(?:[^"\\]|\\.)*")\s*', re.IGNORECASE)
_ONE_MEMBER = re.compile(r'members\[value eq "([0-9a-f-]{36})"\]')
_BOOLEAN = TypeAdapter(bool)
_NAME = TypeAdapter[str](Name)
_MEMBERS = TypeAdapter(list[ScimMember])


class AccountUnproved(Conflict):
    """Whoever made it could have made it in another's name, and would be let in."""

    code = "SCIM_ACCOUNT_UNPROVED"

    def __init__(self) -> None:
        super().__init__(
            "There is an account whose address was never verified; its owner has to verify it first"
        )


def listed(found: list[dict[str, Any]], total: int, start: int) -> dict[str, Any]:
    return {
        "schemas": [LIST],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(found),
        "Resources": found,
    }


def wanted(text: str | None, attribute: str) -> str | None:
    """The value of the filter `attribute eq "value"`. Raises ScimRefused for any other filter."""
    if text is None:
        return None
    found = _FILTER.fullmatch(text)
    if found is None or found[1].lower() != attribute.lower():
        raise ScimRefused("invalidFilter", f'Only the filter {attribute} eq "…" is known')
    try:
        return str(storable_json(json.loads(found[2]), "filter"))
    except ValueError as error:
        raise ScimRefused("invalidFilter", "The filter's value cannot be read") from error


class _Provisioning:
    def __init__(self, tx: Transaction, actor: Actor) -> None:
        self.tx = tx
        self.actor = actor
        self.directory = Directory(tx, actor)
        self._known: dict[str, str] | None = None

    async def _domains(self) -> dict[str, str]:
        if self._known is None:
            self._known = await roles_by_domain(self.tx, self.actor.org_id)
        return self._known


class Users(_Provisioning):
    async def list(self, text: str | None, start: int, count: int) -> dict[str, Any]:
        name = wanted(text, "userName")
        if name is not None:
            name = parse_email(name) or ""
        start, take = max(1, start), min(MOST_SHOWN, max(0, count))
        found, total = await self.directory.people(
            await self._domains(), email=name, skip=start - 1, take=take
        )
        return listed([_user(each) for each in found], total, start)

    async def get(self, user_id: UUID) -> dict[str, Any]:
        """Raises MemberNotFound."""
        return _user(await self.directory.person(await self._domains(), user_id))

    async def create(self, data: ScimUser) -> dict[str, Any]:
        """Raises ScimRefused for a domain that is not verified, AlreadyMember, or AccountUnproved."""
        self.actor.require("members:write")
        domains = await self._domains()
        role = domains.get(domain_of(data.userName))
        if role is None:
            raise ScimRefused(
                "invalidValue", f"{domain_of(data.userName)} is not a verified domain of this organization"
            )
        if (await self.directory.people(domains, email=data.userName))[1]:
            raise AlreadyMember
        async with database().system() as tx:
            if await is_unproved(tx, data.userName):
                raise AccountUnproved
            user_id = await arrive(tx, data.userName, data.called, self.actor.org_id)
        await self.directory.enroll(user_id, role_of(role))
        if data.active is False:
            await self.directory.set_status(user_id, "deactivated")
        return await self.get(user_id)

    async def replace(self, user_id: UUID, data: ScimUser) -> dict[str, Any]:
        """Raises MemberNotFound, RoleTooHigh for an owner, or ScimRefused for another address."""
        shown = await self.directory.person(await self._domains(), user_id)
        _ensure_same_address(shown, data.userName)
        if data.active is not None:
            await self._set_active(user_id, data.active)
        return await self.get(user_id)

    async def patch(self, user_id: UUID, data: Patch) -> dict[str, Any]:
        """As `replace`."""
        shown = await self.directory.person(await self._domains(), user_id)
        active = None
        for operation in data.Operations:
            for name, value in operation.changes(USER).items():
                if name == "username":
                    _ensure_same_address(shown, None if operation.op == "remove" else value)
                elif name == "active" and operation.op == "remove":
                    raise ScimRefused("mutability", "active cannot be removed")
                elif name == "active":
                    active = _parsed(_BOOLEAN, value, "active")
        if active is not None:
            await self._set_active(user_id, active)
        return await self.get(user_id)

    async def delete(self, user_id: UUID) -> None:
        """Out of the organization; the account stays. Raises MemberNotFound, or RoleTooHigh for an owner."""
        await self.directory.person(await self._domains(), user_id)
        await self.directory.remove(user_id)

    async def _set_active(self, user_id: UUID, active: bool) -> None:
        await self.directory.set_status(user_id, "active" if active else "deactivated")


class Groups(_Provisioning):
    def __init__(self, tx: Transaction, actor: Actor) -> None:
        super().__init__(tx, actor)
        self.teams = TeamService(tx, actor)

    async def list(self, text: str | None, start: int, count: int, *, members: bool) -> dict[str, Any]:
        name = wanted(text, "displayName")
        start, take = max(1, start), min(MOST_SHOWN, max(0, count))
        found: list[TeamOut] = []
        cursor = None
        while True:
            page = await self.teams.list(
                PageQuery(search=name and name[:200], order="asc", limit=100, cursor=cursor)
            )
            found += [each for each in page.data if name is None or each.name == name]
            cursor = page.next_cursor
            if cursor is None:
                break
        shown = [await self._shown(each, members=members) for each in found[start - 1 :][:take]]
        return listed(shown, len(found), start)

    async def get(self, team_id: UUID, *, members: bool = True) -> dict[str, Any]:
        """Raises TeamNotFound."""
        return await self._shown(await self.teams.get(team_id), members=members)

    async def create(self, data: ScimGroup) -> dict[str, Any]:
        """Raises TeamNameTaken, or ScimRefused for a member who is no user here."""
        made = await self.teams.create(TeamIn(name=data.displayName))
        await self._add(made.id, [each.value for each in data.members])
        return await self.get(made.id)

    async def replace(self, team_id: UUID, data: ScimGroup) -> dict[str, Any]:
        """Raises TeamNotFound, TeamNameTaken or ScimRefused."""
        await self.teams.rename(team_id, TeamIn(name=data.displayName))
        await self._set(team_id, [each.value for each in data.members])
        return await self.get(team_id)

    async def patch(self, team_id: UUID, data: Patch) -> dict[str, Any]:
        """As `replace`."""
        await self.teams.get(team_id)
        for operation in data.Operations:
            for name, value in operation.changes(GROUP).items():
                one = _ONE_MEMBER.fullmatch(name)
                if one and operation.op == "remove":
                    await self._remove(team_id, [_parsed(TypeAdapter(UUID), one[1], "members")])
                elif name == "displayname" and operation.op != "remove":
                    called = _parsed(_NAME, value, "displayName")
                    await self.teams.rename(team_id, TeamIn(name=called))
                elif name == "members":
                    await self._change_members(team_id, operation.op, value)
                elif name.startswith("members") or name == "displayname":
                    raise ScimRefused("invalidPath", f"{operation.op} cannot be done with this path")
        return await self.get(team_id)

    async def delete(self, team_id: UUID) -> None:
        """Raises TeamNotFound."""
        await self.teams.delete(team_id)

    async def _change_members(self, team_id: UUID, op: str, value: Any) -> None:
        if op == "remove" and value is None:
            return await self._set(team_id, [])
        given = [each.value for each in _parsed(_MEMBERS, value, "members")]
        if len(given) > MOST:
            raise ScimRefused("tooMany", f"No more than {MOST} members at once")
        change = {"add": self._add, "replace": self._set, "remove": self._remove}[op]
        return await change(team_id, given)

    async def _managed(self, team_id: UUID) -> set[UUID]:
        team = await self.teams.get(team_id)
        return await self.directory.managed(await self._domains(), {each.user_id for each in team.members})

    async def _set(self, team_id: UUID, ids: Collection[UUID]) -> None:
        held = await self._managed(team_id)
        await self._remove(team_id, sorted(held - set(ids)))
        await self._add(team_id, [each for each in ids if each not in held])

    async def _add(self, team_id: UUID, ids: Collection[UUID]) -> None:
        missing = set(ids) - await self.directory.managed(await self._domains(), set(ids))
        if missing:
            raise ScimRefused("invalidValue", f"There is no user {min(missing)}")
        for each in ids:
            await self.teams.add(team_id, each)

    async def _remove(self, team_id: UUID, ids: Collection[UUID]) -> None:
        """Who is not in it stays out."""
        held = await self._managed(team_id)
        for each in ids:
            if each in held:
                held.discard(each)
                await self.teams.remove(team_id, each)

    async def _shown(self, team: TeamOut, *, members: bool) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "schemas": [GROUP],
            "id": str(team.id),
            "displayName": team.name,
            "meta": _meta("Group", "Groups", team.id, team.created_at.isoformat()),
        }
        if members:
            ids = {each.user_id for each in team.members}
            mine = await self.directory.managed(await self._domains(), ids)
            shown["members"] = [
                {
                    "value": str(each.user_id),
                    "$ref": f"{base_url()}/Users/{each.user_id}",
                    "display": each.email,
                    "type": "User",
                }
                for each in team.members
                if each.user_id in mine
            ]
        return shown


def _parsed(adapter: TypeAdapter[Parsed], value: Any, name: str) -> Parsed:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise ScimRefused("invalidValue", f"{name} cannot have this value") from error


def _ensure_same_address(shown: MemberOut, given: Any) -> None:
    if parse_email(given) != shown.email:
        raise ScimRefused("mutability", "userName is the person's own address, and cannot be changed here")


def _user(member: MemberOut) -> dict[str, Any]:
    return {
        "schemas": [USER],
        "id": str(member.user_id),
        "userName": member.email,
        "displayName": member.name,
        "name": {"formatted": member.name},
        "emails": [{"value": member.email, "type": "work", "primary": True}],
        "active": member.status == "active",
        "meta": _meta("User", "Users", member.user_id, member.joined_at.isoformat()),
    }


def _meta(kind: str, place: str, row_id: UUID, moment: str) -> dict[str, str]:
    return {"resourceType": kind, "created": moment, "location": f"{base_url()}/{place}/{row_id}"}
