"""SCIM: what an identity provider may do to an organization's members and teams, and what not."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update
from sqlmodel import col

from agentflow_app.accounts.models import User
from agentflow_app.audit.models import AuditLog
from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.core.settings import settings as current_settings
from agentflow_app.sso.domains import vouch
from agentflow_app.sso.scim_schemas import ERROR, GROUP, USER
from tests.actors import People, Person, sign_up

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass
class Directory:
    """Alice's organization as its identity provider reaches it."""

    client: httpx.AsyncClient
    domain: str
    people: People
    connection: str

    async def make(self, called: str, **more: Any) -> dict[str, Any]:
        body = {"schemas": [USER], "userName": f"{called}@{self.domain}", **more}
        answer = await self.client.post("/Users", json=body)
        assert answer.status_code == 201, answer.text
        assert answer.headers["location"] == answer.json()["meta"]["location"]
        return dict(answer.json())

    async def patch(self, path: str, *operations: dict[str, Any]) -> httpx.Response:
        return await self.client.patch(path, json={"schemas": [PATCH], "Operations": operations})

    async def members(self) -> dict[str, tuple[str, str]]:
        rows = (await self.people.alice.client.get("/org/members?limit=100")).json()["data"]
        return {each["user_id"]: (each["role"], each["status"]) for each in rows}

    async def audited(self) -> list[tuple[str, Any]]:
        query = select(col(AuditLog.action), col(AuditLog.details)).where(col(AuditLog.user_id).is_(None))
        async with database().transaction(self.people.alice.actor) as tx:
            return [(row[0], row[1].get("by")) for row in await tx.execute(query.order_by(col(AuditLog.id)))]


def client(api: FastAPI, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(api, raise_app_exceptions=False),
        base_url="http://agentflow.test/api/v1/scim/v2",
        headers={"Authorization": f"Bearer {token}"},
    )


async def connect(person: Person, domain: str, role: str = "viewer") -> str:
    body = {"name": domain, "issuer": "https://idp.invalid", "client_id": "us", "client_secret": "a secret"}
    made = await person.client.post("/org/sso", json={**body, "domains": [domain], "default_role": role})
    assert made.status_code == 201, made.text
    await vouch(domain)
    return str(made.json()["id"])


def fresh_domain() -> str:
    return f"{new_id().hex[-12:]}.example.com"


@pytest.fixture
async def directory(api: FastAPI, people: People) -> AsyncIterator[Directory]:
    domain = fresh_domain()
    connection = await connect(people.alice, domain, "editor")
    token = (await people.alice.client.post("/org/sso/scim-token")).json()["token"]
    async with client(api, token) as opened:
        yield Directory(opened, domain, people, connection)


def refused(answer: httpx.Response, status: int, kind: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert answer.headers["content-type"] == "application/scim+json"
    assert (told["schemas"], told["status"], told.get("scimType")) == ([ERROR], str(status), kind)
    assert told["detail"]


async def test_a_user_through_its_life(directory: Directory) -> None:
    made = await directory.make("ada", name={"givenName": "Ada", "familyName": "Łącz"}, externalId="7")
    path = f"/Users/{made['id']}"
    assert (made["displayName"], made["active"]) == ("Ada Łącz", True)
    assert (await directory.members())[made["id"]] == ("editor", "active")
    # As Okta, Entra (twice) and others say it.
    off: list[dict[str, Any]] = [
        {"op": "replace", "value": {"active": False}},
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "Add", "path": f"{USER}:active", "value": False},
    ]
    for operation in off:
        answer = await directory.patch(path, operation, {"op": "replace", "path": "title", "value": "x"})
        assert (answer.status_code, answer.json()["active"]) == (200, False)
        assert (await directory.members())[made["id"]] == ("editor", "deactivated")
        answer = await directory.client.put(path, json={"userName": made["userName"].upper(), "active": True})
        assert (answer.status_code, answer.json()["active"]) == (200, True)
    assert (await directory.client.delete(path)).status_code == 204
    assert made["id"] not in await directory.members()
    refused(await directory.client.get(path), 404)
    again = await directory.make("ada", active=False)
    assert (again["id"], again["active"]) == (made["id"], False)
    done = ["member.deactivated", "member.activated"]
    told = [each for each in await directory.audited() if each[0].startswith("member.")]
    expected = ["member.joined", *done * 3, "member.removed", "member.joined", "member.deactivated"]
    assert told == [(action, "scim") for action in expected]


async def test_users_are_found_and_paged(directory: Directory) -> None:
    made = [await directory.make(name) for name in ("a", "b", "c")]
    for filtered in (f'userName eq "b@{directory.domain}"', f'USERNAME EQ "B@{directory.domain.upper()}"'):
        found = (await directory.client.get("/Users", params={"filter": filtered})).json()
        assert [each["id"] for each in found["Resources"]] == [made[1]["id"]]
        assert (found["totalResults"], found["startIndex"], found["itemsPerPage"]) == (1, 1, 1)
    page = (await directory.client.get("/Users", params={"startIndex": 2, "count": 1})).json()
    assert ([each["id"] for each in page["Resources"]], page["totalResults"]) == ([made[1]["id"]], 3)
    for nothing in ({"count": -1}, {"count": 0}, {"startIndex": 99}, {"filter": 'userName eq "nobody"'}):
        assert (await directory.client.get("/Users", params=nothing)).json()["Resources"] == []
    assert len((await directory.client.get("/Users?startIndex=-5")).json()["Resources"]) == 3
    for bad in ('emails eq "x"', "userName eq b", 'userName co "b"', 'userName eq "b" or 1', '"'):
        refused(await directory.client.get("/Users", params={"filter": bad}), 400, "invalidFilter")
    refused(await directory.client.get("/Users?count=many"), 400, "invalidValue")


async def test_only_addresses_of_verified_domains(directory: Directory) -> None:
    """Bob and the others have addresses elsewhere: not the provider's to see or to shut out."""
    for person in (directory.people.bob, directory.people.alice, directory.people.mallory):
        path = f"/Users/{person.actor.user_id}"
        refused(await directory.client.get(path), 404)
        refused(await directory.patch(path, {"op": "replace", "value": {"active": False}}), 404)
        refused(await directory.client.put(path, json={"userName": person.actor.email, "active": False}), 404)
        refused(await directory.client.delete(path), 404)
    assert (await directory.client.get("/Users")).json()["totalResults"] == 0
    address = directory.people.mallory.actor.email
    for other in (address, f"eve@sub.{directory.domain}", f"eve@{directory.domain}.evil.example"):
        refused(await directory.client.post("/Users", json={"userName": other}), 400, "invalidValue")
    unverified = fresh_domain()
    fields = {"name": "n", "issuer": "https://idp.invalid", "client_id": "us"}
    body = {**fields, "domains": [directory.domain, unverified]}
    path = f"/org/sso/{directory.connection}"
    assert (await directory.people.alice.client.put(path, json=body)).status_code == 200
    refused(await directory.client.post("/Users", json={"userName": f"e@{unverified}"}), 400, "invalidValue")
    ada = await directory.make("ada")
    await directory.people.alice.client.put(path, json={**body, "active": False})
    refused(await directory.client.get(f"/Users/{ada['id']}"), 404)
    refused(
        await directory.client.post("/Users", json={"userName": f"e@{directory.domain}"}), 400, "invalidValue"
    )


async def test_an_owner_stays(directory: Directory, api: FastAPI) -> None:
    alice = directory.people.alice
    address = f"alice@{directory.domain}"
    async with database().system() as tx:
        changed = update(User).where(col(User.id) == alice.actor.user_id).values(email=address)
        await tx.execute(changed)
    path = f"/Users/{alice.actor.user_id}"
    refused(await directory.patch(path, {"op": "replace", "value": {"active": False}}), 403)
    refused(await directory.client.delete(path), 403)
    assert (await alice.client.get("/org")).status_code == 200


async def test_deactivating_ends_the_session_at_once(directory: Directory, api: FastAPI) -> None:
    person = await sign_up(api, "dora")
    address = f"dora@{directory.domain}"
    async with database().system() as tx:
        changed = update(User).where(col(User.id) == person.actor.user_id)
        await tx.execute(changed.values(email=address))
    refused(await directory.client.post("/Users", json={"userName": address}), 409, "uniqueness")
    assert str(person.actor.user_id) not in await directory.members()
    async with database().system() as tx:
        await tx.execute(changed.values(email_verified_at=col(User.created_at)))
    made = await directory.make("dora", displayName="Another name")
    assert (made["id"], made["displayName"]) == (str(person.actor.user_id), person.actor.name)
    switched = await person.client.post("/auth/switch", json={"org_id": str(directory.people.alice.org_id)})
    theirs = {"Authorization": f"Bearer {switched.json()['access_token']}"}
    assert (await person.client.get("/org", headers=theirs)).status_code == 200
    await directory.patch(f"/Users/{made['id']}", {"op": "replace", "path": "active", "value": False})
    assert (await person.client.get("/org", headers=theirs)).status_code == 401
    assert (await person.client.get("/org")).status_code == 200


async def test_what_is_no_user(directory: Directory) -> None:
    made = await directory.make("ada")
    path = f"/Users/{made['id']}"
    twice = await directory.client.post("/Users", json={"userName": made["userName"].upper()})
    refused(twice, 409, "uniqueness")
    for body in ({}, {"userName": ""}, {"userName": "ada"}, {"userName": 7}, {"userName": "a\x00@x.de"}, []):
        answer = await directory.client.post("/Users", json=body)
        assert (answer.status_code, answer.json()["schemas"]) == (400, [ERROR])
    answer = await directory.client.post(
        "/Users", content=b"{", headers={"Content-Type": "application/scim+json"}
    )
    refused(answer, 400, "invalidSyntax")
    moved = {"userName": f"eve@{directory.domain}"}
    refused(await directory.client.put(path, json=moved), 400, "mutability")
    refused(await directory.patch(path, {"op": "replace", "value": moved}), 400, "mutability")
    refused(await directory.patch(path, {"op": "remove", "path": "active"}), 400, "mutability")
    refused(
        await directory.patch(path, {"op": "replace", "path": "active", "value": "?"}), 400, "invalidValue"
    )
    assert (await directory.patch(path, {"op": "increment", "path": "active"})).status_code == 400
    assert (await directory.patch(path)).status_code == 400
    refused(await directory.client.get("/Users/not-an-id"), 404)
    refused(await directory.client.get("/Me"), 404)
    refused(await directory.client.delete("/Users"), 404)


async def test_a_group_through_its_life(directory: Directory) -> None:
    ada, ben = [(await directory.make(name))["id"] for name in ("ada", "ben")]
    body = {"schemas": [GROUP], "displayName": "Support", "members": [{"value": ada}]}
    made = await directory.client.post("/Groups", json=body)
    assert made.status_code == 201, made.text
    path, team = f"/Groups/{made.json()['id']}", f"/org/teams/{made.json()['id']}"
    bob = str(directory.people.bob.actor.user_id)
    await directory.people.alice.client.put(f"{team}/members/{bob}")

    async def inside() -> set[str]:
        members = (await directory.people.alice.client.get(team)).json()["members"]
        return {each["user_id"] for each in members}

    steps: list[tuple[dict[str, Any], set[str]]] = [
        ({"op": "Add", "path": "members", "value": [{"value": ben}, {"value": ben}]}, {ada, ben}),
        ({"op": "remove", "path": f'members[value eq "{ada}"]'}, {ben}),
        ({"op": "remove", "path": f'members[value eq "{bob}"]'}, {ben}),
        ({"op": "replace", "value": {"members": [{"value": ada}], "displayName": "Help"}}, {ada}),
        ({"op": "Remove", "path": "members", "value": [{"value": ada}]}, set()),
        ({"op": "add", "value": {"members": [{"value": ada}], "externalId": "x"}}, {ada}),
        ({"op": "remove", "path": "members"}, set()),
    ]
    for operation, expected in steps:
        answer = await directory.patch(path, operation)
        assert answer.status_code == 200, answer.text
        assert {each["value"] for each in answer.json()["members"]} == expected
        assert await inside() == {bob, *expected}
    answer = await directory.client.put(path, json={"displayName": "Help", "members": [{"value": ben}]})
    assert ([each["value"] for each in answer.json()["members"]], await inside()) == ([ben], {ben, bob})
    found = await directory.client.get(
        "/Groups", params={"filter": 'displayName eq "Help"', "excludedAttributes": "members"}
    )
    assert [set(each) & {"displayName", "members"} for each in found.json()["Resources"]] == [{"displayName"}]
    assert (await directory.client.get("/Groups", params={"filter": 'displayName eq "Hel"'})).json()[
        "totalResults"
    ] == 0
    refused(await directory.client.post("/Groups", json={"displayName": "Help"}), 409, "uniqueness")
    for stranger in (bob, str(directory.people.mallory.actor.user_id), str(new_id())):
        operation = {"op": "add", "path": "members", "value": [{"value": stranger}]}
        refused(await directory.patch(path, operation), 400, "invalidValue")
    refused(
        await directory.patch(path, {"op": "replace", "path": "displayName", "value": ""}),
        400,
        "invalidValue",
    )
    refused(
        await directory.patch(path, {"op": "replace", "path": "members[0].x", "value": ""}),
        400,
        "invalidPath",
    )
    assert (await directory.client.delete(path)).status_code == 204
    refused(await directory.client.get(path), 404)


async def test_a_refused_operation_undoes_those_before_it(directory: Directory) -> None:
    ada = (await directory.make("ada"))["id"]
    made = (await directory.client.post("/Groups", json={"displayName": "One"})).json()["id"]
    add = {"op": "add", "path": "members", "value": [{"value": ada}]}
    wrong = {"op": "add", "path": "members", "value": [{"value": str(new_id())}]}
    refused(await directory.patch(f"/Groups/{made}", add, wrong), 400, "invalidValue")
    assert (await directory.client.get(f"/Groups/{made}")).json()["members"] == []


async def test_another_organizations_token_reaches_nothing(directory: Directory, api: FastAPI) -> None:
    mallory = directory.people.mallory
    await connect(mallory, fresh_domain())
    token = (await mallory.client.post("/org/sso/scim-token")).json()["token"]
    ada = (await directory.make("ada"))["id"]
    group = (await directory.client.post("/Groups", json={"displayName": "One"})).json()["id"]
    before = await directory.members()
    async with client(api, token) as other:
        for path in (f"/Users/{ada}", f"/Groups/{group}"):
            refused(await other.get(path), 404)
            refused(await other.delete(path), 404)
            body = {"Operations": [{"op": "replace", "value": {"active": False, "displayName": "x"}}]}
            refused(await other.patch(path, json=body), 404)
        taken = {"userName": f"eve@{directory.domain}"}
        refused(await other.post("/Users", json=taken), 400, "invalidValue")
        assert (await other.get("/Users")).json()["totalResults"] == 0
        assert (await other.get("/Groups")).json()["totalResults"] == 0
    assert await directory.members() == before


async def test_the_token(directory: Directory, api: FastAPI) -> None:
    alice = directory.people.alice
    made = await alice.client.post("/org/sso/scim-token", headers={"Idempotency-Key": "once"})
    refused(await directory.client.get("/Users"), 401)
    token = made.json()["token"]
    shown = (await alice.client.get("/org/sso/scim-token")).json()
    assert token.startswith(shown["prefix"])
    assert "token" not in shown
    assert shown["base_url"] == f"{current_settings().base_url}/api/v1/scim/v2"
    async with client(api, token) as renewed:
        assert (await renewed.get("/Users")).status_code == 200
        assert (await alice.client.get("/org/sso/scim-token")).json()["last_used_at"]
        for path in ("/auth/me", "/org", "/org/members", "/org/sso"):
            answer = await alice.client.get(path, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 401
        assert (await alice.client.delete("/org/sso/scim-token")).status_code == 204
        refused(await renewed.get("/Users"), 401)
    assert (await alice.client.delete("/org/sso/scim-token")).status_code == 404
    for worthless in (alice.token, "scim_", "scim_x", ""):
        async with client(api, worthless or "x") as stranger:
            answer = await stranger.get("/Users")
            refused(answer, 401)
            assert answer.headers["www-authenticate"] == "Bearer"
    async with database().transaction(alice.actor) as tx:
        entries = (
            await tx.execute(
                select(AuditLog)
                .where(col(AuditLog.resource_type) == "scim_token")
                .order_by(col(AuditLog.seq))
            )
        ).scalars()
        told = [(each.action, str(each.details)) for each in entries]
    assert [action for action, _ in told] == ["scim_token.created"] * 2 + ["scim_token.revoked"]
    assert not any(token in details for _, details in told)


async def test_a_suspended_organization_is_shut(directory: Directory) -> None:
    from agentflow_app.core.clock import utcnow
    from agentflow_app.organizations.models import Organization

    org_id: UUID = directory.people.alice.org_id
    async with database().system() as tx:
        shut = update(Organization).where(col(Organization.id) == org_id)
        await tx.execute(shut.values(suspended_at=utcnow()))
    refused(await directory.client.get("/Users"), 401)


async def test_calls_are_limited(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_settings(), "rate_limit_key", "2/minute")
    answers = [await directory.client.get("/Users") for _ in range(4)]
    assert answers[0].status_code == 200
    refused(answers[-1], 429)
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_it_tells_what_it_is(directory: Directory) -> None:
    config = (await directory.client.get("/ServiceProviderConfig")).json()
    assert (config["patch"], config["bulk"]["supported"]) == ({"supported": True}, False)
    for place in ("ResourceTypes", "Schemas"):
        found = (await directory.client.get(f"/{place}")).json()["Resources"]
        for each in found:
            assert (await directory.client.get(f"/{place}/{each['id']}")).json() == each
        refused(await directory.client.get(f"/{place}/unknown"), 404)
