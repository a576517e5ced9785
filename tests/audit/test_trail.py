"""Who did what, from where: searched, exported, and never without its act nor the act without it."""

import csv
import io
import json

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from agentflow_app.audit import people
from agentflow_app.audit.service import record
from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from tests.actors import GREETING, PASSWORD, People, Person, published

URL = "/org/audit-logs"


async def entries(person: Person, **query: object) -> list[dict[str, object]]:
    answer = await person.client.get(URL, params={"sort": "seq", "order": "asc", **query})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, object]] = answer.json()["data"]
    return found


async def test_an_entry_tells_who_did_what_and_from_where(api: FastAPI, alice: Person) -> None:
    transport = httpx.ASGITransport(api, client=("2001:4860::7", 1))
    headers = {"Authorization": f"Bearer {alice.token}", "User-Agent": "Netscape"}
    async with httpx.AsyncClient(transport=transport, base_url="http://x/api/v1", headers=headers) as client:
        made = await client.post("/agents", json={"name": "Told"})
    (entry,) = await entries(alice)
    assert entry["action"] == "agent.created"
    assert entry["resource_id"] == made.json()["id"]
    assert entry["user"] == {"email": alice.actor.email, "name": alice.actor.name}
    assert (entry["address"], entry["user_agent"]) == ("2001:4860::7", "Netscape")
    assert entry["details"] == {"name": "Told"}
    assert entry["seq"] == 1


async def test_the_trail_is_filtered_searched_and_paged(alice: Person, mallory: Person) -> None:
    agent_id = await published(alice, GREETING)
    await alice.client.put(f"/agents/{agent_id}/status", json={"status": "paused"})
    await published(mallory, GREETING)
    assert [e["action"] for e in await entries(alice)] == ["agent.created", "agent.published", "agent.paused"]
    assert [e["action"] for e in await entries(alice, action="agent.published")] == ["agent.published"]
    assert len(await entries(alice, action="agent")) == 3
    assert await entries(alice, action="age") == []
    assert len(await entries(alice, search="paus")) == 1
    assert len(await entries(alice, resource_id=agent_id, user_id=str(alice.actor.user_id))) == 3
    assert await entries(alice, user_id=str(mallory.actor.user_id)) == []
    second = (await entries(alice))[1]["created_at"]
    assert len(await entries(alice, since=second)) == 2
    assert len(await entries(alice, until=second)) == 1
    first = (await alice.client.get(URL, params={"limit": 2})).json()
    rest = (await alice.client.get(URL, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [e["action"] for e in (*first["data"], *rest["data"])][::-1] == [
        "agent.created",
        "agent.published",
        "agent.paused",
    ]


async def test_an_export_is_safe_to_open_and_is_itself_told(alice: Person) -> None:
    await alice.client.post("/agents", json={"name": "=1+1"})
    async with database().transaction(alice.actor) as tx:
        record(tx, alice.actor, "-dangerous", "agent", None)
    sheet = await alice.client.get(URL + "/export")
    assert sheet.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(sheet.text)))
    assert [row["action"] for row in rows] == ["'-dangerous", "agent.created"]
    assert rows[1]["email"] == alice.actor.email
    lines = (await alice.client.get(URL + "/export?format=jsonl&action=agent.created")).text.splitlines()
    assert [json.loads(line)["details"] for line in lines] == [{"name": "=1+1"}]
    assert [e["action"] for e in await entries(alice)][-2:] == ["audit.exported", "audit.exported"]


async def test_what_cannot_be_told_does_not_happen(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> bytes:
        raise RuntimeError("no key")

    monkeypatch.setattr("agentflow_app.audit.service.own_key", broken)
    refused = await alice.client.post("/agents", json={"name": "Untold"})
    monkeypatch.undo()
    assert refused.status_code == 500
    assert (await alice.client.get("/agents")).json()["data"] == []


async def test_what_does_not_happen_is_not_told(alice: Person) -> None:
    async def change_ones_mind() -> None:
        async with database().transaction(alice.actor) as tx:
            record(tx, alice.actor, "agent.created", "agent", None)
            raise RuntimeError("not after all")

    with pytest.raises(RuntimeError, match="after all"):
        await change_ones_mind()
    assert await entries(alice) == []


async def test_an_erased_person_is_unreadable_and_the_chain_holds(alice: Person) -> None:
    await alice.client.post("/agents", json={"name": "Before"})
    assert alice.actor.user_id
    async with database().system() as tx:
        await people.erase(tx, alice.actor.user_id)
    (entry,) = await entries(alice)
    assert (entry["user"], entry["address"], entry["user_agent"]) == (None, None, None)
    assert (await alice.client.get(URL + "/chain")).json()["intact"] is True
    await alice.client.post("/agents", json={"name": "After"})
    before, after = await entries(alice)
    assert before["user"] is None
    assert after["user"] is not None


async def test_a_dump_of_the_trail_names_nobody(alice: Person) -> None:
    await alice.client.post("/agents", json={"name": "Seen"})
    async with database().transaction(alice.actor) as tx:
        dump = "SELECT string_agg(row::text, '') FROM (SELECT * FROM audit_logs) row"
        told = (await tx.execute(text(dump))).scalar_one()
    assert alice.actor.email not in told
    assert "127.0.0.1" not in told


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_logs SET action = 'x'",
        "DELETE FROM audit_logs",
        "TRUNCATE audit_logs",
        "UPDATE audit_heads SET seq = 0",
        "DELETE FROM person_keys",
        "ALTER TABLE audit_logs DISABLE TRIGGER ALL",
    ],
)
async def test_the_app_can_only_add(alice: Person, statement: str) -> None:
    with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
        async with database().transaction(alice.actor) as tx:
            await tx.execute(text(statement))


async def test_the_app_cannot_choose_an_entrys_place(alice: Person) -> None:
    insert = text(
        "INSERT INTO audit_logs (id, org_id, action, resource_type, seq, prev_hash, hash, created_at)"
        " VALUES (:id, :org, 'forged', 'x', 99, 'a', 'b', '2001-01-01')"
    )
    async with database().transaction(alice.actor) as tx:
        await tx.execute(insert, {"id": new_id(), "org": alice.org_id})
    (entry,) = await entries(alice)
    assert (entry["seq"], str(entry["created_at"])[:4] != "2001") == (1, True)
    assert (await alice.client.get(URL + "/chain")).json()["intact"] is True


async def test_it_names_whom_an_entry_is_about_for_who_may_see_them(api: FastAPI, people: People) -> None:
    alice, bob, erin = people.alice, people.bob, people.erin
    ids = {each.actor.name: str(each.actor.user_id) for each in (alice, bob, erin)}
    await alice.client.put(f"/org/members/{ids['Bob']}/role", json={"role": "editor"})
    team = (await alice.client.post("/org/teams", json={"name": "T"})).json()["id"]
    await alice.client.put(f"/org/teams/{team}/members/{ids['Erin']}")
    changed, _, added = await entries(alice)
    assert changed["people"] == {ids["Alice"]: "Alice", ids["Bob"]: "Bob"}
    assert added["people"] == {ids["Alice"]: "Alice", ids["Erin"]: "Erin"}
    # A key that may not see members is not told who they are; what somebody did is theirs without others.
    made = {"name": "K", "scopes": ["audit:read"]}
    key = (await alice.client.post("/org/api-keys", json=made)).json()["key"]
    headers = {"Authorization": f"Bearer {key}"}
    for entry in (await alice.client.get(URL, headers=headers)).json()["data"]:
        assert entry["people"] == {}
    mine = (await alice.client.get("/auth/privacy/export")).json()
    assert ids["Bob"] not in str(
        [each["people"] for place in mine["organizations"] for each in place["audit_entries"]]
    )
    # Who left is no member to be seen; who was erased is nobody.
    await alice.client.delete(f"/org/members/{ids['Erin']}")
    gone = await bob.client.request(
        "DELETE", "/auth/account", json={"password": PASSWORD, "confirm": bob.actor.email}
    )
    assert gone.status_code == 204
    told = await entries(alice)
    assert told[0]["people"] == {ids["Alice"]: "Alice", ids["Bob"]: "Erased person"}
    assert told[2]["people"] == {ids["Alice"]: "Alice"}
    assert [each["user"] for each in told if each["action"] == "user.erased"] == [None]
    sheet = list(csv.DictReader(io.StringIO((await alice.client.get(URL + "/export")).text)))
    assert sheet[-1]["people"] in ("Alice; Erased person", "Erased person; Alice")
