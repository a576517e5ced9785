"""A person who is erased is found nowhere; what they did stays, of nobody, and the chain of it holds."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlmodel import col

from agentflow_app.accounts.erasure import OnlyOwner, operator_erase, sweep_erased
from agentflow_app.accounts.models import Passkey, User
from agentflow_app.accounts.operators import NoSuchAccount
from agentflow_app.accounts.sessions import Identity, actor_for_session, open_page_session, open_refresh
from agentflow_app.audit.models import PersonKey
from agentflow_app.audit.people import own_key
from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.core.settings import Settings
from agentflow_app.mail.models import OutgoingMail
from agentflow_app.mail.service import send
from tests.actors import PASSWORD, People, Person, definition, join, node, published, sign_up, unique_email


def _dump(postgres_url: str) -> dict[str, str]:
    """Every table of the database, as text."""
    found = {}
    with psycopg.connect(postgres_url) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        for (table,) in tables:
            rows = connection.execute(f'SELECT t::text FROM "{table}" t').fetchall()
            found[table] = "\n".join(row[0] for row in rows)
            for (column,) in connection.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
                " AND atttypid = 'bytea'::regtype AND NOT attisdropped",
                [table],
            ).fetchall():
                raw = connection.execute(f'SELECT "{column}" FROM "{table}"').fetchall()
                found[table] += "\n".join(bytes(row[0]).decode("latin-1") for row in raw if row[0])
    return found


async def _erase(person: Person, **changes: str) -> httpx.Response:
    body = {"password": PASSWORD, "confirm": person.actor.email} | changes
    return await person.client.request("DELETE", "/auth/account", json=body)


@pytest.fixture
async def zebulon(api: FastAPI, alice: Person) -> Any:
    """An editor of alice's who has left a trace wherever one can."""
    name = f"Zebulon {new_id().hex}"
    person = await join(api, alice, "zebulon", "admin")
    assert (await person.client.put("/auth/profile", json={"name": name})).status_code == 200
    user_id = person.actor.user_id
    assert user_id is not None
    headers = {"Idempotency-Key": new_id().hex}
    await person.client.post("/agents", json={"name": "Theirs"}, headers=headers)
    await person.client.post("/org/api-keys", json={"name": "k", "scopes": ["agents:read"]})
    await person.client.post("/org/invitations", json={"email": unique_email("guest"), "role": "viewer"})
    team = (await person.client.post("/org/teams", json={"name": unique_email("team")})).json()["id"]
    await person.client.put(f"/org/teams/{team}/members/{user_id}")
    await person.client.post("/auth/second-factor/totp", json={"password": PASSWORD})
    review = definition(
        node("start", "trigger.manual"),
        node("ask", "human.approval", message="Good?", approvers=[person.actor.email, "owner"]),
    )
    await published(person, review)
    async with database().system() as tx:
        await open_page_session(tx, Identity(user_id, alice.org_id))
        await open_refresh(tx, Identity(user_id, alice.org_id))
        fields = {"credential_id": new_id().bytes, "public_key": b"", "transports": []}
        tx.add(Passkey(user_id=user_id, name="Phone", **fields))
    yield replace(person, actor=replace(person.actor, name=name))
    await person.client.aclose()


async def test_no_table_names_who_was_erased(
    zebulon: Person, alice: Person, mallory: Person, postgres_url: str
) -> None:
    email, user_id = zebulon.actor.email, zebulon.actor.user_id
    await mallory.client.post("/org/invitations", json={"email": email, "role": "viewer"})
    before = _dump(postgres_url)
    assert {table for table, text in before.items() if email in text} >= {
        "users",
        "org_invitations",
        "agents",
    }
    answer = await _erase(zebulon)
    assert answer.status_code == 204, answer.text
    for table, text in _dump(postgres_url).items():
        assert email not in text, table
        assert zebulon.actor.name not in text, table
    assert (await zebulon.client.get("/auth/me")).status_code == 401
    async with database().system() as tx:
        stub = (await tx.execute(select(User).where(col(User.id) == user_id))).scalar_one()
    assert (stub.email, stub.name) == (f"erased-{user_id}@erased.invalid", "Erased person")
    assert (stub.password_hash, stub.is_active) == (None, False)
    with psycopg.connect(postgres_url) as connection:
        for table, column in (
            ("org_memberships", "user_id"),
            ("team_memberships", "user_id"),
            ("api_keys", "created_by"),
            ("passkeys", "user_id"),
            ("totp_factors", "user_id"),
            ("page_sessions", "user_id"),
            ("refresh_tokens", "user_id"),
            ("person_keys", "id"),
        ):
            left = connection.execute(
                f"SELECT count(*) FROM {table} WHERE {column} = %s", [user_id]
            ).fetchone()
            assert left == (0,), table


async def test_what_they_did_stays_of_nobody_and_the_chain_holds(zebulon: Person, alice: Person) -> None:
    user_id = str(zebulon.actor.user_id)
    assert (await _erase(zebulon)).status_code == 204
    assert (await alice.client.get("/org/audit-logs/chain")).json()["intact"] is True
    entries = (await alice.client.get("/org/audit-logs", params={"user_id": user_id})).json()["data"]
    assert "agent.published" in {entry["action"] for entry in entries}
    assert {entry["user"] for entry in entries} == {None}
    told = (await alice.client.get("/org/audit-logs", params={"action": "user.erased"})).json()["data"]
    assert [(each["resource_id"], each["user_id"], each["details"]) for each in told] == [
        (user_id, None, {"by": "self"})
    ]
    agents = (await alice.client.get("/agents")).json()["data"]
    assert "Theirs" in {agent["name"] for agent in agents}


async def test_the_address_is_free_again(zebulon: Person, anonymous: httpx.AsyncClient) -> None:
    email = zebulon.actor.email
    assert (await _erase(zebulon)).status_code == 204
    login = {"email": email, "password": PASSWORD}
    assert (await anonymous.post("/auth/login", json=login)).status_code == 401
    body = login | {"name": "Somebody", "org_name": "New"}
    made = await anonymous.post("/auth/signup", json=body)
    assert made.status_code == 201, made.text
    assert made.json()["user"]["id"] != str(zebulon.actor.user_id)


async def test_only_who_means_it(zebulon: Person, alice: Person) -> None:
    for wrong in (
        {"password": "a guess"},
        {"confirm": alice.actor.email},
        {"confirm": ""},
        {"confirm": "x" * 999},
    ):
        assert (await _erase(zebulon, **wrong)).status_code == 422, wrong
    assert (await zebulon.client.get("/auth/me")).status_code == 200
    assert (await _erase(zebulon, confirm=zebulon.actor.email.upper())).status_code == 204


async def test_an_only_owner_hands_over_first(alice: Person, erin: Person, zebulon: Person) -> None:
    refused = await _erase(alice)
    assert refused.status_code == 409
    error = refused.json()["error"]
    assert error["code"] == "ONLY_OWNER"
    assert error["details"]["organizations"] == [{"id": str(alice.org_id), "name": "alice's"}]
    assert "alice's" in error["message"]
    with pytest.raises(OnlyOwner):
        await operator_erase(alice.actor.email)
    heir = {"user_id": str(zebulon.actor.user_id)}
    assert (await alice.client.post("/org/transfer", json=heir)).status_code == 200
    assert (await _erase(zebulon)).status_code == 409
    assert (await _erase(alice)).status_code == 204


async def test_two_owners_do_not_leave_together(api: FastAPI, alice: Person) -> None:
    other = await join(api, alice, "other", "owner")
    answers = await asyncio.gather(_erase(alice), _erase(other))
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    await other.client.aclose()


async def test_what_waits_in_the_outbox_goes(
    zebulon: Person, alice: Person, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agentflow_app.mail import service

    monkeypatch.setattr(service, "mail_configured", lambda: True)
    monkeypatch.setattr(service, "enqueue", lambda *_: None)
    ids = []
    for to in (zebulon.actor.email.upper(), alice.actor.email):
        async with database().system() as tx:
            known = set((await tx.execute(select(col(OutgoingMail.id)))).scalars())
            await send(tx, to=to, subject="s", text="t")
            ids += set((await tx.execute(select(col(OutgoingMail.id)))).scalars()) - known
    monkeypatch.undo()
    assert (await _erase(zebulon)).status_code == 204
    async with database().system() as tx:
        left = set((await tx.execute(select(col(OutgoingMail.id)))).scalars())
    assert [each in left for each in ids] == [False, True]


async def test_a_key_that_was_written_too_late_is_swept(zebulon: Person, alice: Person) -> None:
    assert zebulon.actor.user_id is not None
    assert alice.actor.user_id is not None
    await alice.client.post("/org/teams", json={"name": "Told"})
    assert (await _erase(zebulon)).status_code == 204
    async with database().system() as tx:
        await own_key(tx, zebulon.actor.user_id)
    await sweep_erased()
    async with database().system() as tx:
        kept = set((await tx.execute(select(col(PersonKey.id)))).scalars())
    assert zebulon.actor.user_id not in kept
    assert alice.actor.user_id in kept


async def test_the_operator_erases_by_address(zebulon: Person, people: People) -> None:
    await operator_erase(f" {zebulon.actor.email.upper()} ")
    assert (await zebulon.client.get("/auth/me")).status_code == 401
    told = await people.alice.client.get("/org/audit-logs", params={"action": "user.erased"})
    assert [each["details"] for each in told.json()["data"]] == [{"by": "operator"}]
    with pytest.raises(NoSuchAccount):
        await operator_erase(zebulon.actor.email)


async def test_their_browser_is_logged_out(api: FastAPI, alice: Person) -> None:
    leaver = await join(api, alice, "leaver", "viewer")
    assert leaver.actor.user_id is not None
    async with database().system() as tx:
        secret = await open_page_session(tx, Identity(leaver.actor.user_id, alice.org_id))
    assert await actor_for_session(secret) is not None
    assert (await _erase(leaver)).status_code == 204
    assert await actor_for_session(secret) is None
    stranger = await sign_up(api, "stranger")
    assert (await stranger.client.get("/auth/me")).status_code == 200
    for person in (leaver, stranger):
        await person.client.aclose()
