"""API keys: shown once, never more than their maker, rotated without a gap, gone at once."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import database
from tests.actors import People, Person


async def made(person: Person, *scopes: str, **fields: Any) -> dict[str, Any]:
    body = {"name": "Key", "scopes": list(scopes or ["agents:read"]), **fields}
    answer = await person.client.post("/org/api-keys", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"].endswith(answer.json()["id"])
    return dict(answer.json())


async def works(client: httpx.AsyncClient, key: str, path: str = "/agents") -> int:
    return (await client.get(path, headers={"X-API-Key": key})).status_code


async def test_a_key_is_shown_once_and_kept_as_its_hash(alice: Person, anonymous: httpx.AsyncClient) -> None:
    key = await made(alice)
    assert await works(anonymous, key["key"]) == 200
    listed = await alice.client.get("/org/api-keys")
    assert key["key"] not in listed.text
    (row,) = listed.json()["data"]
    assert row["prefix"] == key["key"][:11]
    assert row["created_by"]["id"] == str(alice.actor.user_id)
    assert row["last_used_at"] is not None
    async with database().transaction(alice.actor) as tx:
        stored = (
            await tx.execute(
                text("SELECT k::text || (SELECT string_agg(a::text, '') FROM audit_logs a) FROM api_keys k")
            )
        ).scalar_one()
    assert key["key"] not in stored
    assert "api_key.created" in stored


@pytest.mark.parametrize(
    "scope", ["approvals:decide", "org:delete", "members:write", "api_keys:write", "no:such", "*"]
)
async def test_what_no_key_may_hold(alice: Person, scope: str) -> None:
    answer = await alice.client.post("/org/api-keys", json={"name": "Key", "scopes": ["agents:read", scope]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")
    assert "scopes.1" in answer.json()["error"]["details"]["fields"]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "scopes": ["agents:read"]},
        {"name": "Key", "scopes": []},
        {"name": "Key"},
        {"name": "Key", "scopes": ["agents:read"], "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "Key", "scopes": ["agents:read"], "expires_at": "2999-01-01T00:00:00"},
        {"name": "Key", "scopes": ["agents:read"], "org_id": "01900000-0000-7000-8000-000000000000"},
        {"name": "Key", "scopes": ["agents:read"], "key": "af_mine"},
    ],
)
async def test_a_bad_body_makes_no_key(alice: Person, body: dict[str, Any]) -> None:
    assert (await alice.client.post("/org/api-keys", json=body)).status_code == 422
    assert (await alice.client.get("/org/api-keys")).json()["data"] == []


async def test_a_rotated_key_has_a_grace(alice: Person, anonymous: httpx.AsyncClient) -> None:
    first = await made(alice)
    path = f"/org/api-keys/{first['id']}/rotate"
    second = (await alice.client.post(path, json={"grace_seconds": 3600})).json()
    assert second["id"] == first["id"]
    assert second["key"] != first["key"]
    assert [await works(anonymous, each["key"]) for each in (first, second)] == [200, 200]
    async with database().transaction(alice.actor) as tx:
        await tx.execute(text("UPDATE api_keys SET previous_until = now()"))
    assert [await works(anonymous, each["key"]) for each in (first, second)] == [401, 200]
    third = (await alice.client.post(path)).json()
    assert [await works(anonymous, each["key"]) for each in (first, second, third)] == [401, 401, 200]
    assert (await alice.client.post(path, json={"grace_seconds": 86_401})).status_code == 422
    await alice.client.delete(f"/org/api-keys/{first['id']}")
    assert await works(anonymous, third["key"]) == 401


async def test_nobody_gets_a_secret_that_acts_for_another(people: People) -> None:
    key = await made(people.alice)
    answer = await people.carol.client.post(f"/org/api-keys/{key['id']}/rotate")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "NOT_YOUR_KEY")
    assert (await people.carol.client.delete(f"/org/api-keys/{key['id']}")).status_code == 204


async def test_an_ended_key_is_not_rotated(alice: Person, anonymous: httpx.AsyncClient) -> None:
    key = await made(alice, expires_at=(utcnow() + timedelta(hours=1)).isoformat())
    async with database().transaction(alice.actor) as tx:
        await tx.execute(text("UPDATE api_keys SET expires_at = now()"))
    assert await works(anonymous, key["key"]) == 401
    answer = await alice.client.post(f"/org/api-keys/{key['id']}/rotate")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "API_KEY_ENDED")
    assert (await alice.client.get("/org/api-keys")).json()["data"][0]["status"] == "expired"


async def test_a_repeated_call_is_answered_anew_since_a_secret_is_not_kept(alice: Person) -> None:
    body, again = {"name": "Key", "scopes": ["agents:read"]}, {"Idempotency-Key": "the same"}
    first = await alice.client.post("/org/api-keys", json=body, headers=again)
    second = await alice.client.post("/org/api-keys", json=body, headers=again)
    assert first.json()["key"] != second.json()["key"]
    async with database().transaction(alice.actor) as tx:
        kept = (await tx.execute(text("SELECT count(*) FROM idempotency_keys"))).scalar_one()
    assert kept == 0


async def test_the_last_use_is_noted_at_most_once_a_minute(
    alice: Person, anonymous: httpx.AsyncClient
) -> None:
    key = await made(alice)

    async def used() -> str:
        return str((await alice.client.get("/org/api-keys")).json()["data"][0]["last_used_at"])

    await works(anonymous, key["key"])
    first = await used()
    await works(anonymous, key["key"])
    assert await used() == first
    async with database().transaction(alice.actor) as tx:
        await tx.execute(text("UPDATE api_keys SET last_used_at = now() - interval '61 seconds'"))
    await works(anonymous, key["key"])
    assert await used() > first


async def test_a_key_ends_with_its_makers_rights(people: People, anonymous: httpx.AsyncClient) -> None:
    key = await made(people.carol, "agents:write", "api_keys:read", "org:read")
    headers = {"X-API-Key": key["key"]}
    assert await works(anonymous, key["key"], "/org/api-keys") == 200

    async def change(sql: str) -> None:
        async with database().transaction(people.alice.actor) as tx:
            await tx.execute(
                text(f"UPDATE org_memberships SET {sql} WHERE user_id = :id"),
                {"id": people.carol.actor.user_id},
            )

    await change("role = 'viewer'")
    assert await works(anonymous, key["key"], "/org/api-keys") == 403
    assert (await anonymous.post("/agents", json={"name": "x"}, headers=headers)).status_code == 403
    assert await works(anonymous, key["key"], "/org") == 200
    await change("status = 'deactivated'")
    assert await works(anonymous, key["key"], "/org") == 401
    (row,) = (await people.alice.client.get("/org/api-keys")).json()["data"]
    assert row["status"] == "inactive"
