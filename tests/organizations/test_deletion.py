"""The end of an organization: exported first, shut at once, removed after the grace, nobody else touched."""

import io
import json
import zipfile
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from agentflow_app.accounts.sessions import Identity, actor_for_session, open_page_session
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.executions import claims
from agentflow_app.organizations import tickets
from agentflow_app.organizations.deletion import remove_for_good
from agentflow_app.organizations.exports import due_exports, sweep_exports, write_export
from agentflow_app.organizations.tickets import ticket_for
from tests.actors import GREETING, People, Person, definition, node, published, running

HOOKED = definition(node("start", "trigger.webhook"), node("end", "action.template", template="x"))


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def slug_of(person: Person) -> str:
    return str((await person.client.get("/org")).json()["slug"])


async def deleted(person: Person, **body: Any) -> httpx.Response:
    given = {"confirm": await slug_of(person), **body}
    return await person.client.request("DELETE", "/org", json=given)


async def exported(person: Person) -> str:
    export = (await person.client.post("/org/export")).json()["id"]
    await write_export(UUID(export))
    return str(export)


async def files(person: Person, export: str) -> dict[str, str]:
    answer = await person.client.get(f"/org/exports/{export}/download")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


async def test_an_export_has_all_and_nothing_secret(people: People) -> None:
    alice = people.alice
    agent = await published(alice, GREETING, name="Größe")
    await alice.client.post(f"/agents/{agent}/execute", json={"trigger_data": {"name": "Zoë"}})
    await published(people.mallory, GREETING, name="Mallory's own")
    await alice.client.post("/org/secrets", json={"name": "CANARY", "value": "canary-value"})
    key = (await alice.client.post("/org/api-keys", json={"name": "K", "scopes": ["org:read"]})).json()["key"]
    invited = await alice.client.post("/org/invitations", json={"email": "x@example.com", "role": "viewer"})
    found = await files(alice, await exported(alice))
    assert json.loads(found["organization.json"])["id"] == str(alice.org_id)
    members = [json.loads(line) for line in found["members.jsonl"].splitlines()]
    assert {each["email"] for each in members} >= {alice.actor.email, people.bob.actor.email}
    agents = [json.loads(line) for line in found["agents.jsonl"].splitlines()]
    assert [each["name"] for each in agents] == ["Größe"]
    assert "Zoë" in found["executions.jsonl"]
    whole = json.dumps(found, ensure_ascii=False)
    async with database().system() as tx:
        hashes = (await tx.execute(text("SELECT key_hash FROM api_keys"))).scalars().all()
    for secret in ("canary-value", key, invited.json()["link"].rpartition("/")[2], *hashes, "Mallory"):
        assert secret not in whole


async def test_an_export_is_written_once(alice: Person) -> None:
    first = (await alice.client.post("/org/export")).json()
    second = (await alice.client.post("/org/export")).json()
    assert (first["id"], first["status"]) == (second["id"], "pending")
    assert code(await alice.client.get(f"/org/exports/{first['id']}/download")) == (409, "EXPORT_NOT_READY")
    async with database().transaction(alice.actor) as tx:
        await tx.execute(text("UPDATE org_exports SET created_at = now() - interval '1 minute'"))
    assert UUID(first["id"]) in await due_exports(1000)
    await write_export(UUID(first["id"]))
    ready = (await alice.client.get(f"/org/exports/{first['id']}")).json()
    await write_export(UUID(first["id"]))
    assert (await alice.client.get(f"/org/exports/{first['id']}")).json() == ready
    assert ready["status"] == "ready"
    assert UUID(first["id"]) not in await due_exports(1000)
    async with database().transaction(alice.actor) as tx:
        await tx.execute(text("UPDATE org_exports SET created_at = now() - interval '8 days'"))
    await sweep_exports()
    assert (await alice.client.get(f"/org/exports/{first['id']}")).status_code == 404


async def test_a_ticket_downloads_once_asked_for(
    people: People, anonymous: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = people.alice
    export = UUID(await exported(alice))
    good = await anonymous.get(f"/exports/{ticket_for(alice.actor, export)}")
    assert good.status_code == 200
    head, _, rest = ticket_for(alice.actor, export).partition(".")
    for bad in (
        "x",
        f"{head}.{rest[:-4]}aaaa",
        alice.token,
        ticket_for(people.carol.actor, export),
        ticket_for(people.mallory.actor, export),
        ticket_for(alice.actor, new_id()),
    ):
        assert (await anonymous.get(f"/exports/{bad}")).status_code in (403, 404)
    monkeypatch.setattr(tickets, "LIFETIME", timedelta(seconds=-1))
    assert (await anonymous.get(f"/exports/{ticket_for(alice.actor, export)}")).status_code == 404


async def test_a_ticket_is_no_access_token(alice: Person, anonymous: httpx.AsyncClient) -> None:
    ticket = ticket_for(alice.actor, new_id())
    answer = await anonymous.get("/org", headers={"Authorization": f"Bearer {ticket}"})
    assert answer.status_code == 401


async def test_it_asks_for_an_export_and_for_the_name(alice: Person) -> None:
    assert code(await deleted(alice)) == (409, "EXPORT_FIRST")
    assert code(await deleted(alice, confirm="another")) == (422, "VALIDATION_ERROR")
    await exported(alice)
    async with database().transaction(alice.actor) as tx:
        await tx.execute(text("UPDATE org_exports SET completed_at = now() - interval '25 hours'"))
    assert code(await deleted(alice)) == (409, "EXPORT_FIRST")
    async with database().transaction(alice.actor) as tx:
        await tx.execute(text("UPDATE org_exports SET completed_at = now()"))
    assert (await deleted(alice)).status_code == 204


async def test_nobody_gets_in_and_nothing_runs(people: People, anonymous: httpx.AsyncClient) -> None:
    alice = people.alice
    agent = await published(alice, HOOKED)
    hook = (await alice.client.get(f"/agents/{agent}")).json()["trigger_config"]["webhook_url"]
    token = hook.rpartition("/")[2]
    key = (await alice.client.post("/org/api-keys", json={"name": "K", "scopes": ["org:read"]})).json()["key"]
    async with database().system() as tx:
        page = await open_page_session(tx, Identity(people.bob.actor.user_id or new_id(), alice.org_id))
    accepted = await anonymous.post(f"/hooks/{token}", json={})
    assert accepted.status_code == 202
    run = UUID(accepted.json()["execution_id"])
    assert run in await claims.due(1000)
    invited = await alice.client.post("/org/invitations", json={"email": "y@example.com", "role": "viewer"})
    assert (await deleted(alice, without_export=True)).status_code == 204
    for person in (alice, people.bob):
        assert (await person.client.get("/org")).status_code == 401
    assert (await anonymous.get("/org", headers={"X-API-Key": key})).status_code == 401
    assert await actor_for_session(page) is None
    assert code(await anonymous.post(f"/hooks/{token}", json={})) == (404, "HOOK_NOT_FOUND")
    preview = await anonymous.get(f"/invitations/{invited.json()['link'].rpartition('/')[2]}")
    assert preview.status_code == 404
    assert run not in await claims.due(1000)
    async with running() as runtime:
        runtime.poke()
        other = await published(people.mallory, GREETING)
        await people.mallory.client.post(f"/agents/{other}/execute?wait=20", json={})
    async with database().transaction(org_id=alice.org_id) as tx:
        status = await tx.execute(text("SELECT status FROM executions WHERE id = :id"), {"id": run})
        assert status.scalar_one() == "pending"
    assert (await people.mallory.client.get("/org")).status_code == 200


async def test_what_runs_is_not_renewed(api: FastAPI, alice: Person) -> None:
    agent = await published(alice, GREETING)
    await alice.client.post(f"/agents/{agent}/execute", json={})
    held = [each for each in await claims.claim("worker", 1000, 30) if each.org_id == alice.org_id]
    assert await claims.renew(held, 30) == {each.id for each in held}
    await deleted(alice, without_export=True)
    assert await claims.renew(held, 30) == set()


async def test_it_is_removed_after_the_grace_and_others_stay(people: People) -> None:
    alice, mallory = people.alice, people.mallory
    await published(alice, GREETING)
    await published(mallory, GREETING)
    await deleted(alice, without_export=True)

    async def rows(person: Person) -> int:
        async with database().transaction(org_id=person.org_id) as tx:
            agents = await tx.execute(
                text("SELECT (SELECT count(*) FROM agents) + count(*) FROM organizations")
            )
            return int(agents.scalar_one())

    await remove_for_good()
    assert await rows(alice) == 2
    async with database().system() as tx:
        past = {"id": alice.org_id, "when": utcnow() - timedelta(days=7, minutes=1)}
        await tx.execute(text("UPDATE organizations SET deleted_at = :when WHERE id = :id"), past)
    await remove_for_good()
    assert await rows(alice) == 0
    assert await rows(mallory) == 2
