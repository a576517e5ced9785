"""Secrets, variables and credentials over REST: what goes in, what comes out, what is refused."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select, text

from agentflow_app.audit.models import AuditLog
from agentflow_app.core.crypto import CannotUnseal, cell, unseal
from agentflow_app.core.database import database
from agentflow_app.core.migrations import owner_connection
from agentflow_app.core.settings import Settings
from agentflow_app.vault.models import Secret
from tests.actors import Person

CANARY = "canary-41f7c0de-never-to-be-seen"
OAUTH = {
    "name": "CRM",
    "type": "oauth2",
    "allowed_hosts": ["api.example.com"],
    "token_url": "https://login.example.com/token",
    "client_id": "me",
    "client_secret": CANARY,
}


async def _made(person: Person, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await person.client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_secret_goes_in_and_never_comes_out(alice: Person) -> None:
    answer = await alice.client.post(
        "/org/secrets", json={"name": "STRIPE_KEY", "value": CANARY, "description": "For the shop"}
    )
    made = answer.json()
    path = f"/org/secrets/{made['id']}"
    assert answer.headers["Location"] == f"/api/v1{path}"
    assert made["updated_by_name"] == "Alice"
    assert (made["name"], made["description"], made["last_used_at"]) == ("STRIPE_KEY", "For the shop", None)

    changed = await alice.client.put(path, json={"value": CANARY + "2"})
    listed = await alice.client.get("/org/secrets?search=stripe")
    assert [each["name"] for each in listed.json()["data"]] == ["STRIPE_KEY"]
    for shown in (answer, changed, listed, await alice.client.get(path)):
        assert "canary" not in shown.text
        assert "value" not in shown.text

    assert (await alice.client.delete(path)).status_code == 204
    assert (await alice.client.get(path)).status_code == 404


async def test_every_change_is_audited_without_the_value(alice: Person) -> None:
    made = await _made(alice, "/org/secrets", {"name": "A", "value": CANARY})
    await alice.client.put(f"/org/secrets/{made['id']}", json={"value": CANARY + "2"})
    await alice.client.delete(f"/org/secrets/{made['id']}")

    async with database().transaction(alice.actor) as tx:
        rows = (await tx.execute(select(AuditLog).order_by(AuditLog.created_at))).scalars().all()
    assert [row.action for row in rows] == ["secret.created", "secret.updated", "secret.deleted"]
    assert "canary" not in "".join(str(row.details) for row in rows)


async def test_a_variable_can_be_read(alice: Person) -> None:
    made = await _made(alice, "/org/variables", {"name": "regions", "value": ["eu", {"main": True}]})
    path = f"/org/variables/{made['id']}"
    assert (await alice.client.get(path)).json()["value"] == ["eu", {"main": True}]
    assert (await alice.client.put(path, json={"value": None})).json()["value"] is None
    kept = await alice.client.put(path, json={"description": "None now"})
    assert (kept.json()["value"], kept.json()["description"]) == (None, "None now")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("secrets", {"name": "lower", "value": "long enough"}, "name"),
        ("secrets", {"name": "1A", "value": "long enough"}, "name"),
        ("secrets", {"name": "A\n", "value": "long enough"}, "name"),
        ("secrets", {"name": "A" * 65, "value": "long enough"}, "name"),
        ("secrets", {"name": "A"}, "value"),
        ("secrets", {"name": "A", "value": "abc"}, "value"),
        ("secrets", {"name": "A", "value": "   a   "}, "value"),
        ("secrets", {"name": "A", "value": "a" * 20_000}, "value"),
        ("secrets", {"name": "A", "value": "a\x00bcd"}, "value"),
        ("secrets", {"name": "A", "value": "abcd", "org_id": "x"}, "org_id"),
        ("variables", {"name": "a-b", "value": 1}, "name"),
        ("variables", {"name": "a", "value": "x" * 20_000}, "value"),
        ("variables", {"name": "a"}, "value"),
        ("credentials", {**OAUTH, "allowed_hosts": []}, "allowed_hosts"),
        ("credentials", {**OAUTH, "allowed_hosts": ["https://a.example/path"]}, "allowed_hosts.0"),
        ("credentials", {**OAUTH, "allowed_hosts": ["*.com"]}, "allowed_hosts.0"),
        ("credentials", {**OAUTH, "allowed_hosts": ["*"]}, "allowed_hosts.0"),
        ("credentials", {**OAUTH, "allowed_hosts": ["a@b.example"]}, "allowed_hosts.0"),
        ("credentials", {**OAUTH, "allowed_hosts": ["a.example:99999"]}, "allowed_hosts.0"),
        ("credentials", {**OAUTH, "token_url": "file:///etc/passwd"}, "token_url"),
        ("credentials", {**OAUTH, "client_secret": None}, "client_secret"),
        ("credentials", {**OAUTH, "grant": "refresh_token"}, "refresh_token"),
        ("credentials", {**OAUTH, "grant": "password"}, "grant"),
        ("credentials", {**OAUTH, "type": "cookie"}, "type"),
        ("credentials", {**OAUTH, "type": "bearer"}, "value"),
        (
            "credentials",
            {"name": "a", "type": "bearer", "value": "a\r\nb: c", "allowed_hosts": ["a.example"]},
            "value",
        ),
        (
            "credentials",
            {
                "name": "a",
                "type": "header",
                "header": "Host",
                "value": "abcd",
                "allowed_hosts": ["a.example"],
            },
            "header",
        ),
        (
            "credentials",
            {
                "name": "a",
                "type": "header",
                "header": "X: y\r\nZ",
                "value": "abcd",
                "allowed_hosts": ["a.example"],
            },
            "header",
        ),
        (
            "credentials",
            {"name": "a", "type": "api_key", "value": "abcd", "allowed_hosts": ["a.example"]},
            "header",
        ),
        (
            "credentials",
            {
                "name": "a",
                "type": "basic",
                "username": "a:b",
                "password": "abcd",
                "allowed_hosts": ["a.example"],
            },
            "username",
        ),
    ],
)
async def test_what_is_wrong_is_named_and_not_repeated(
    alice: Person, path: str, body: dict[str, Any], field: str
) -> None:
    answer = await alice.client.post(f"/org/{path}", json=body)
    assert answer.status_code == 422, answer.text
    assert field in answer.json()["error"]["details"]["fields"]
    assert CANARY not in answer.text


async def test_names_are_unique_in_an_organization_only(alice: Person, mallory: Person) -> None:
    for person in (alice, mallory):
        await _made(person, "/org/secrets", {"name": "SAME", "value": CANARY})
    again = await alice.client.post("/org/secrets", json={"name": "SAME", "value": CANARY})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "NAME_TAKEN")

    both = await asyncio.gather(
        *(alice.client.post("/org/variables", json={"name": "v", "value": n}) for n in range(2))
    )
    assert sorted(answer.status_code for answer in both) == [201, 409]


async def test_a_credential_shows_what_is_no_secret(alice: Person) -> None:
    made = await _made(alice, "/org/credentials", {**OAUTH, "scopes": ["read", "write"]})
    assert made["settings"] == {
        "client_id": "me",
        "grant": "client_credentials",
        "scopes": ["read", "write"],
        "token_url": "https://login.example.com/token",
    }
    assert CANARY not in (await alice.client.get("/org/credentials")).text


async def test_a_credential_is_not_led_elsewhere_by_who_does_not_have_it(alice: Person) -> None:
    made = await _made(alice, "/org/credentials", OAUTH)
    path = f"/org/credentials/{made['id']}"
    for change in (
        {"allowed_hosts": ["api.example.com", "evil.example"]},
        {"allowed_hosts": ["http://api.example.com"]},
        {"allowed_hosts": ["api.example.com:8443"]},
        {"token_url": "https://evil.example/token"},
    ):
        answer = await alice.client.put(path, json=change)
        assert answer.status_code == 422, change
        assert "client_secret" in answer.json()["error"]["details"]["fields"]
    wider = {"allowed_hosts": ["api.example.com", "b.example"], "client_secret": CANARY}
    assert (await alice.client.put(path, json=wider)).status_code == 200
    narrower = await alice.client.put(path, json={"allowed_hosts": ["b.example"], "description": "x"})
    assert narrower.json()["allowed_hosts"] == ["b.example"]


async def test_an_api_key_moves_from_a_header_to_the_query(alice: Person) -> None:
    body = {
        "name": "K",
        "type": "api_key",
        "value": CANARY,
        "header": "X-Key",
        "allowed_hosts": ["a.example"],
    }
    made = await _made(alice, "/org/credentials", body)
    moved = await alice.client.put(f"/org/credentials/{made['id']}", json={"query": "key"})
    assert moved.json()["settings"] == {"query": "key"}


async def test_the_value_of_one_row_does_not_open_in_another(alice: Person) -> None:
    for name in ("ONE", "OTHER"):
        await _made(alice, "/org/secrets", {"name": name, "value": CANARY + name})
    async with database().transaction(alice.actor) as tx:
        one, other = (await tx.execute(select(Secret).order_by(Secret.name))).scalars().all()
        assert await unseal(one.value, cell("secrets", "value", one.id)) == (CANARY + "ONE").encode()
        one.value, other.value = other.value, one.value
    with pytest.raises(CannotUnseal):
        await unseal(one.value, cell("secrets", "value", one.id))


async def test_the_same_call_with_a_key_is_answered_once(alice: Person) -> None:
    body, key = {"name": "ONCE", "value": CANARY}, {"Idempotency-Key": "k"}
    first = await alice.client.post("/org/secrets", json=body, headers=key)
    again = await alice.client.post("/org/secrets", json=body, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()


async def test_a_stolen_dump_shows_no_secret(alice: Person, settings: Settings) -> None:
    await _made(alice, "/org/secrets", {"name": "A", "value": CANARY})
    await _made(alice, "/org/credentials", OAUTH)
    bearer = {"name": "B", "type": "bearer", "value": CANARY, "allowed_hosts": ["a.example"]}
    await _made(alice, "/org/credentials", bearer)

    dump = dumped(settings)
    assert b"STRIPE_KEY" in dump or b"api.example.com" in dump
    assert CANARY.encode() not in dump


def dumped(settings: Settings) -> bytes:
    """Every row of every table, as a thief reads it: text as it is, bytes as bytes."""
    found: list[bytes] = []
    with owner_connection(settings) as connection:
        tables = connection.execute(
            text("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'")
        ).scalars()
        for table in tables.all():
            for row in connection.execute(text(f"SELECT * FROM {table}")):
                for value in row:
                    found.append(value if isinstance(value, bytes) else str(value).encode())
    return b"\n".join(found)
