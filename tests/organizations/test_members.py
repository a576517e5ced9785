"""Who decides over whom, that somebody always owns the organization, and that who is out is out at once."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from agentflow_app.accounts.sessions import (
    REFRESH_COOKIE,
    Identity,
    actor_for_session,
    open_page_session,
    open_refresh,
)
from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from tests.actors import People, Person, join

ROLES = ("owner", "admin", "editor", "viewer")


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def roles(person: Person) -> dict[str, str]:
    members = (await person.client.get("/org/members", params={"limit": 100})).json()["data"]
    return {member["user_id"]: member["role"] for member in members}


def of(person: Person) -> str:
    return f"/org/members/{person.actor.user_id}"


async def test_the_list_shows_who_is_in(people: People) -> None:
    found = (await people.bob.client.get("/org/members", params={"search": "CAROL"})).json()["data"]
    assert [(each["name"], each["role"], each["status"], each["is_self"]) for each in found] == [
        ("Carol", "admin", "active", False)
    ]
    only = (await people.bob.client.get("/org/members", params={"role": "viewer"})).json()["data"]
    assert [each["user_id"] for each in only] == [str(people.bob.actor.user_id)]
    assert (await people.bob.client.get("/org/members", params={"role": "king"})).status_code == 422
    first = (await people.alice.client.get("/org/members", params={"limit": 3})).json()
    second = (
        await people.alice.client.get("/org/members", params={"limit": 3, "cursor": first["next_cursor"]})
    ).json()
    assert len(first["data"]) + len(second["data"]) == 4
    assert str(people.mallory.actor.user_id) not in await roles(people.alice)


@pytest.mark.parametrize("target", ROLES)
@pytest.mark.parametrize("given", ROLES)
async def test_an_admin_gives_up_to_admin_and_never_touches_an_owner(
    api: FastAPI, people: People, target: Any, given: str
) -> None:
    other = await join(api, people.alice, "target", target)
    answer = await people.carol.client.put(f"{of(other)}/role", json={"role": given})
    if "owner" in (target, given):
        assert code(answer) == (403, "ROLE_TOO_HIGH")
        for path, body in (("/status", {"status": "deactivated"}), ("", None)):
            if target == "owner":
                method = "PUT" if path else "DELETE"
                refused = await people.carol.client.request(method, of(other) + path, json=body)
                assert code(refused) == (403, "ROLE_TOO_HIGH")
        assert (await roles(people.alice))[str(other.actor.user_id)] == target
    else:
        assert (answer.status_code, answer.json()["role"]) == (200, given)


@pytest.mark.parametrize("body", [{"role": "king"}, {"role": None}, {}, {"role": "admin", "org_id": "x"}])
async def test_what_is_no_role(people: People, body: Any) -> None:
    assert (await people.alice.client.put(f"{of(people.bob)}/role", json=body)).status_code == 422


async def test_the_last_owner_stays(people: People) -> None:
    alice = people.alice
    assert code(await alice.client.delete(of(alice))) == (409, "LAST_OWNER")
    assert code(await alice.client.put(f"{of(alice)}/role", json={"role": "admin"})) == (409, "LAST_OWNER")
    own = await alice.client.put(f"{of(alice)}/status", json={"status": "deactivated"})
    assert code(own) == (409, "OWN_STATUS")


async def test_a_deactivated_owner_does_not_count(api: FastAPI, people: People) -> None:
    alice = people.alice
    second = await join(api, alice, "second", "owner")
    await alice.client.put(f"{of(second)}/status", json={"status": "deactivated"})
    assert code(await alice.client.delete(of(alice))) == (409, "LAST_OWNER")


@pytest.mark.parametrize("way", ["leave", "remove", "demote", "deactivate"])
async def test_two_owners_at_once_leave_one(api: FastAPI, people: People, way: str) -> None:
    alice = people.alice
    second = await join(api, alice, "second", "owner")
    calls = {
        "leave": [(each, "DELETE", of(each), None) for each in (alice, second)],
        "remove": [(alice, "DELETE", of(second), None), (second, "DELETE", of(alice), None)],
        "demote": [(each, "PUT", f"{of(each)}/role", {"role": "viewer"}) for each in (alice, second)],
        "deactivate": [
            (alice, "PUT", f"{of(second)}/status", {"status": "deactivated"}),
            (second, "PUT", f"{of(alice)}/status", {"status": "deactivated"}),
        ],
    }[way]
    answers = await asyncio.gather(
        *(person.client.request(method, path, json=body) for person, method, path, body in calls)
    )
    good = [answer.status_code for answer in answers if answer.status_code < 300]
    assert len(good) == 1, [answer.text for answer in answers]
    async with database().transaction(org_id=alice.org_id) as tx:
        owners = text("SELECT count(*) FROM org_memberships WHERE role = 'owner' AND status = 'active'")
        assert (await tx.execute(owners)).scalar_one() == 1


async def test_a_right_that_was_lost_while_waiting_is_gone(api: FastAPI, people: People) -> None:
    """Carol promotes bob while alice demotes her: whatever comes first, no editor decides over anybody."""
    for _ in range(5):
        await people.alice.client.put(f"{of(people.carol)}/role", json={"role": "admin"})
        await people.alice.client.put(f"{of(people.bob)}/role", json={"role": "viewer"})
        demoted, promoted = await asyncio.gather(
            people.alice.client.put(f"{of(people.carol)}/role", json={"role": "editor"}),
            people.carol.client.put(f"{of(people.bob)}/role", json={"role": "admin"}),
        )
        assert demoted.status_code == 200
        assert promoted.status_code in (200, 403)
        again = await people.carol.client.put(f"{of(people.bob)}/role", json={"role": "admin"})
        assert again.status_code == 403


async def test_a_member_leaves_by_themselves_whatever_the_role(people: People) -> None:
    for person in (people.bob, people.erin, people.carol):
        assert (await person.client.delete(of(person))).status_code == 204
        assert (await person.client.get("/org")).status_code == 401
    assert list(await roles(people.alice)) == [str(people.alice.actor.user_id)]
    assert code(await people.alice.client.delete(of(people.bob))) == (404, "MEMBER_NOT_FOUND")


async def test_another_organizations_member_looks_unknown(people: People) -> None:
    theirs = await people.mallory.client.put(f"{of(people.bob)}/role", json={"role": "viewer"})
    nobody = str(new_id())
    unknown = await people.mallory.client.put(f"/org/members/{nobody}/role", json={"role": "viewer"})
    assert theirs.status_code == unknown.status_code == 404
    assert theirs.text.replace(str(people.bob.actor.user_id), nobody) == unknown.text


async def test_who_is_out_is_out_at_once(people: People, anonymous: httpx.AsyncClient) -> None:
    alice, carol = people.alice, people.carol
    who = Identity(carol.actor.user_id or new_id(), carol.org_id)
    scopes = {"name": "Key", "scopes": ["agents:read"]}
    key = (await carol.client.post("/org/api-keys", json=scopes)).json()["key"]

    async def opened() -> tuple[str, str]:
        async with database().system() as tx:
            return await open_page_session(tx, who), await open_refresh(tx, who)

    async def doors(page: str, renewal: str) -> list[bool]:
        by_key = await anonymous.get("/agents", headers={"X-API-Key": key})
        cookie = {"Cookie": f"{REFRESH_COOKIE}={renewal}"}
        renewed = await anonymous.post("/auth/refresh", headers=cookie)
        anonymous.cookies.clear()
        return [
            (await carol.client.get("/agents")).status_code == 200,
            by_key.status_code == 200,
            renewed.status_code == 200,
            await actor_for_session(page) is not None,
        ]

    page, renewal = await opened()
    assert await doors(page, renewal) == [True, True, True, True]
    page, renewal = await opened()
    await alice.client.put(f"{of(carol)}/status", json={"status": "deactivated"})
    assert await doors(page, renewal) == [False] * 4
    await alice.client.put(f"{of(carol)}/status", json={"status": "active"})
    assert await doors(page, renewal) == [True, True, False, False]
    page, renewal = await opened()
    await alice.client.delete(of(carol))
    assert await doors(page, renewal) == [False] * 4
    async with database().transaction(org_id=alice.org_id) as tx:
        assert (await tx.execute(text("SELECT count(*) FROM api_keys"))).scalar_one() == 0


async def test_ownership_is_handed_over(people: People) -> None:
    alice, carol = people.alice, people.carol
    body = {"user_id": str(carol.actor.user_id)}
    assert (await carol.client.post("/org/transfer", json=body)).status_code == 403
    await alice.client.put(f"{of(carol)}/status", json={"status": "deactivated"})
    assert (await alice.client.post("/org/transfer", json=body)).status_code == 409
    await alice.client.put(f"{of(carol)}/status", json={"status": "active"})
    assert (await alice.client.post("/org/transfer", json=body)).json()["role"] == "owner"
    found = await roles(alice)
    assert (found[body["user_id"]], found[str(alice.actor.user_id)]) == ("owner", "admin")
    assert (await alice.client.post("/org/transfer", json=body)).status_code == 403
    own = await carol.client.post("/org/transfer", json=body)
    assert own.status_code == 409


async def test_what_happens_to_members_is_audited(people: People) -> None:
    await people.alice.client.put(f"{of(people.bob)}/role", json={"role": "editor"})
    await people.alice.client.delete(of(people.bob))
    async with database().transaction(people.alice.actor) as tx:
        rows = (await tx.execute(text("SELECT action, details FROM audit_logs ORDER BY id"))).all()
    assert [row[0] for row in rows] == ["member.role_changed", "member.removed"]
    assert rows[0][1] == {"before": {"role": "viewer"}, "after": {"role": "editor"}}


async def test_one_goes_to_another_organization_and_back(people: People) -> None:
    bob = people.bob
    own = (await bob.client.post("/orgs", json={"name": "Bob's own"})).json()["id"]
    there = await bob.client.post("/auth/switch", json={"org_id": own})
    assert (there.json()["org"]["id"], there.json()["role"]) == (own, "owner")
    headers = {"Authorization": f"Bearer {there.json()['access_token']}"}
    assert (await bob.client.get("/org", headers=headers)).json()["name"] == "Bob's own"
    back = await bob.client.post("/auth/switch", json={"org_id": str(bob.org_id)}, headers=headers)
    assert back.json()["role"] == "viewer"
    foreign = await bob.client.post("/auth/switch", json={"org_id": str(people.mallory.org_id)})
    nobody = str(new_id())
    unknown = await bob.client.post("/auth/switch", json={"org_id": nobody})
    assert code(foreign) == code(unknown) == (404, "ORGANIZATION_NOT_FOUND")
    assert foreign.text.replace(str(people.mallory.org_id), nobody) == unknown.text


async def test_a_switch_ends_the_refresh_token_held_so_far(people: People) -> None:
    bob = people.bob
    own = (await bob.client.post("/orgs", json={"name": "Bob's own"})).json()["id"]
    async with database().system() as tx:
        old = await open_refresh(tx, Identity(bob.actor.user_id or new_id(), bob.org_id))
    cookie = {"Cookie": f"{REFRESH_COOKIE}={old}"}
    switched = await bob.client.post("/auth/switch", json={"org_id": own}, headers=cookie)
    assert switched.status_code == 200
    bob.client.cookies.clear()
    assert (await bob.client.post("/auth/refresh", headers=cookie)).status_code == 401
