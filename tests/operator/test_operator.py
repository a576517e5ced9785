"""The operator sees figures and decides who is let in, and sees nothing of what organizations have."""

import httpx
import pytest
from sqlalchemy import text

from agentflow_app.accounts.operators import appoint, operators
from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.core.settings import Settings
from tests.actors import GREETING, People, Person, ended, published, running

CANARY = "canary-content"


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.fixture
def opal(mallory: Person, settings: Settings) -> Person:
    """An operator, who has an organization of their own and belongs to no other."""
    assert appoint(settings, mallory.actor.email.upper(), True)
    return mallory


async def row_of(opal: Person, person: Person) -> dict[str, object]:
    mine = {"search": person.org_id.hex}
    (row,) = (await opal.client.get("/operator/organizations", params=mine)).json()["data"]
    return dict(row)


async def test_figures_without_content(people: People, opal: Person) -> None:
    alice = people.alice
    agent = await published(alice, GREETING, name=CANARY)
    started = await alice.client.post(f"/agents/{agent}/execute", json={"trigger_data": {"name": CANARY}})
    async with running():
        await ended(alice, started.json()["id"])
    row = await row_of(opal, alice)
    assert (row["members"], row["agents"], row["executions"], row["failures"]) == (4, 1, 1, 0)
    assert (row["status"], row["tokens"]) == ("active", 0)
    assert isinstance(row["storage"], int)
    assert row["storage"] > 0
    found = await opal.client.get("/operator/organizations", params={"search": "no such name anywhere"})
    assert found.json()["data"] == []
    seen = [await opal.client.get(f"/operator/{path}") for path in ("organizations", "health")]
    for path in (
        f"/agents/{agent}",
        f"/executions/{started.json()['id']}",
        "/agents",
        "/executions",
        "/approvals",
    ):
        seen.append(await opal.client.get(path))
    assert all(CANARY not in answer.text for answer in seen)
    assert [answer.status_code for answer in seen[2:4]] == [404, 404]
    switched = await opal.client.post("/auth/switch", json={"org_id": str(alice.org_id)})
    assert switched.status_code == 404


async def test_the_role_is_read_anew_each_time(opal: Person, settings: Settings) -> None:
    assert (await opal.client.get("/operator/health")).status_code == 200
    assert opal.actor.email in operators(settings)
    appoint(settings, opal.actor.email, False)
    assert code(await opal.client.get("/operator/health")) == (403, "FORBIDDEN")
    assert not appoint(settings, "nobody@example.com", True)


async def test_a_key_of_the_operator_is_none(opal: Person, anonymous: httpx.AsyncClient) -> None:
    body = {"name": "Key", "scopes": ["org:read", "org:write"]}
    key = (await opal.client.post("/org/api-keys", json=body)).json()["key"]
    answer = await anonymous.get("/operator/health", headers={"X-API-Key": key})
    assert answer.status_code == 403


async def test_nobody_becomes_one_through_the_api(people: People) -> None:
    for body in ({"is_operator": True}, {"name": "x", "is_operator": True}):
        assert (await people.alice.client.put("/org", json=body)).status_code == 422
    with pytest.raises(Exception, match="permission denied"):
        async with database().system() as tx:
            await tx.execute(text("UPDATE users SET is_operator = true"))


async def test_a_suspended_organization_is_shut_until_it_is_not(people: People, opal: Person) -> None:
    path = f"/operator/organizations/{people.alice.org_id}/status"
    assert (await opal.client.put(path, json={"status": "suspended"})).json()["status"] == "suspended"
    assert (await people.alice.client.get("/org")).status_code == 401
    assert (await opal.client.put(path, json={"status": "active"})).json()["status"] == "active"
    assert (await people.alice.client.get("/org")).status_code == 200
    async with database().transaction(people.alice.actor) as tx:
        told = (await tx.execute(text("SELECT action FROM audit_logs ORDER BY id"))).scalars().all()
    assert [each for each in told if each.startswith("organization.")] == [
        "organization.suspended",
        "organization.restored",
    ]
    unknown = f"/operator/organizations/{new_id()}/status"
    assert code(await opal.client.put(unknown, json={"status": "active"})) == (404, "ORGANIZATION_NOT_FOUND")
    assert (await opal.client.put(path, json={"status": "deleted"})).status_code == 422


async def test_what_was_deleted_is_brought_back(people: People, opal: Person) -> None:
    alice = people.alice
    slug = (await alice.client.get("/org")).json()["slug"]
    await alice.client.request("DELETE", "/org", json={"confirm": slug, "without_export": True})
    assert (await row_of(opal, alice))["status"] == "deleted"
    await opal.client.put(f"/operator/organizations/{alice.org_id}/status", json={"status": "active"})
    assert (await alice.client.get("/org")).status_code == 200


async def test_a_person_is_kept_out_everywhere(people: People, opal: Person) -> None:
    bob = people.bob
    found = (await opal.client.get("/operator/users", params={"email": bob.actor.email})).json()
    assert (found["id"], found["is_active"]) == (str(bob.actor.user_id), True)
    path = f"/operator/users/{found['id']}/status"
    assert (await opal.client.put(path, json={"status": "deactivated"})).json()["is_active"] is False
    assert (await bob.client.get("/org")).status_code == 401
    await opal.client.put(path, json={"status": "active"})
    assert (await bob.client.get("/org")).status_code == 200
    own = f"/operator/users/{opal.actor.user_id}/status"
    assert code(await opal.client.put(own, json={"status": "deactivated"})) == (409, "OWN_STATUS")
    nobody = await opal.client.get("/operator/users", params={"email": "nobody@example.com"})
    assert code(nobody) == (404, "USER_NOT_FOUND")
