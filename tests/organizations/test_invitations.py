"""Invitations: for one address, once, for a week, and never more than the inviter may give."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from agentflow_app.core.database import database
from agentflow_app.organizations import invitations
from agentflow_app.organizations.invitations import InvitationService
from agentflow_app.organizations.joining import admit
from agentflow_app.organizations.members import RoleTooHigh
from agentflow_app.organizations.schemas import InvitationCreate
from tests.actors import PASSWORD, People, Person, join, sign_up, unique_email

ACCOUNT = {"name": "New Person", "password": PASSWORD}


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def invited(person: Person, email: str, role: str = "editor") -> dict[str, Any]:
    answer = await person.client.post("/org/invitations", json={"email": email, "role": role})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def token_of(invitation: dict[str, Any]) -> str:
    return str(invitation["link"].rpartition("/")[2])


@pytest.fixture
async def dave(api: FastAPI) -> AsyncIterator[Person]:
    """Somebody with an account elsewhere."""
    person = await sign_up(api, "dave")
    yield person
    await person.client.aclose()


async def test_somebody_new_takes_it(alice: Person, anonymous: httpx.AsyncClient) -> None:
    email = unique_email("new")
    made = await invited(alice, email.upper())
    token = token_of(made)
    seen = (await anonymous.get(f"/invitations/{token}")).json()
    assert (seen["organization"], seen["email"], seen["role"], seen["has_account"]) == (
        "alice's",
        email,
        "editor",
        False,
    )
    joined = await anonymous.post(f"/invitations/{token}/accept", json=ACCOUNT)
    assert joined.status_code == 200, joined.text
    assert (joined.json()["org"]["id"], joined.json()["role"]) == (str(alice.org_id), "editor")
    headers = {"Authorization": f"Bearer {joined.json()['access_token']}"}
    assert (await anonymous.get("/auth/me", headers=headers)).json()["user"]["email"] == email
    assert code(await anonymous.get(f"/invitations/{token}")) == (404, "INVITATION_NOT_FOUND")
    assert (await alice.client.get("/org/invitations")).json()["data"] == []


async def test_somebody_with_an_account_takes_it(
    alice: Person, dave: Person, anonymous: httpx.AsyncClient
) -> None:
    token = token_of(await invited(alice, dave.actor.email, "admin"))
    assert (await anonymous.get(f"/invitations/{token}")).json()["has_account"] is True
    taken = await anonymous.post(f"/invitations/{token}/accept", json=ACCOUNT)
    assert code(taken) == (409, "EMAIL_TAKEN")
    assert (await anonymous.post(f"/invitations/{token}/accept")).status_code == 401
    joined = await dave.client.post(f"/invitations/{token}/accept")
    assert (joined.json()["org"]["id"], joined.json()["role"]) == (str(alice.org_id), "admin")
    mine = (await dave.client.get("/orgs")).json()["data"]
    assert [each["role"] for each in mine] == ["owner", "admin"]


async def test_it_is_worthless_to_anybody_else(alice: Person, mallory: Person, dave: Person) -> None:
    token = token_of(await invited(alice, dave.actor.email))
    stolen = await mallory.client.post(f"/invitations/{token}/accept")
    assert code(stolen) == (403, "INVITATION_FOR_ANOTHER_ADDRESS")
    assert (await dave.client.post(f"/invitations/{token}/accept")).status_code == 200


async def test_once(alice: Person, dave: Person) -> None:
    token = token_of(await invited(alice, dave.actor.email))
    answers = await asyncio.gather(*(dave.client.post(f"/invitations/{token}/accept") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]


async def test_two_make_the_account_at_once(alice: Person, anonymous: httpx.AsyncClient) -> None:
    token = token_of(await invited(alice, unique_email("new")))
    answers = await asyncio.gather(
        *(anonymous.post(f"/invitations/{token}/accept", json=ACCOUNT) for _ in range(3))
    )
    assert sorted(answer.status_code for answer in answers)[:1] == [200]
    assert {answer.status_code for answer in answers} <= {200, 404, 409}


async def test_it_ends_after_a_week(alice: Person, dave: Person) -> None:
    email = dave.actor.email
    token = token_of(await invited(alice, email))
    async with database().transaction(alice.actor) as tx:
        stretch = text(
            "SELECT abs(extract(epoch FROM expires_at - created_at) - 604800) < 5 FROM org_invitations"
        )
        assert (await tx.execute(stretch)).scalar_one()
        await tx.execute(text("UPDATE org_invitations SET expires_at = now()"))
    assert code(await dave.client.get(f"/invitations/{token}")) == (404, "INVITATION_NOT_FOUND")
    assert code(await dave.client.post(f"/invitations/{token}/accept")) == (404, "INVITATION_NOT_FOUND")
    (listed,) = (await alice.client.get("/org/invitations")).json()["data"]
    assert listed["expired"] is True
    again = token_of(await invited(alice, email))
    assert (await dave.client.post(f"/invitations/{again}/accept")).status_code == 200


async def test_a_new_link_replaces_the_old_one(alice: Person, dave: Person) -> None:
    made = await invited(alice, dave.actor.email)
    path = f"/org/invitations/{made['id']}/resend"
    early = await alice.client.post(path)
    assert (early.status_code, "Retry-After" in early.headers) == (429, True)
    async with database().transaction(alice.actor) as tx:
        await tx.execute(text("UPDATE org_invitations SET created_at = now() - interval '61 seconds'"))
    new = (await alice.client.post(path)).json()
    assert (await dave.client.get(f"/invitations/{token_of(made)}")).status_code == 404
    assert (await dave.client.post(f"/invitations/{token_of(new)}/accept")).status_code == 200


async def test_a_withdrawn_one_is_gone(alice: Person, dave: Person) -> None:
    made = await invited(alice, dave.actor.email)
    assert (await alice.client.delete(f"/org/invitations/{made['id']}")).status_code == 204
    assert (await dave.client.post(f"/invitations/{token_of(made)}/accept")).status_code == 404
    assert (await alice.client.delete(f"/org/invitations/{made['id']}")).status_code == 404


@pytest.mark.parametrize("token", ["x", "a" * 43, "%00", "..", "é" * 30, "a" * 5000])
async def test_a_made_up_token(anonymous: httpx.AsyncClient, token: str) -> None:
    assert (await anonymous.get(f"/invitations/{token}")).status_code == 404
    assert (await anonymous.post(f"/invitations/{token}/accept", json=ACCOUNT)).status_code in (404, 405)


async def test_an_admin_cannot_invite_an_owner_nor_change_such_an_invitation(people: People) -> None:
    body = {"email": unique_email("x"), "role": "owner"}
    assert code(await people.carol.client.post("/org/invitations", json=body)) == (403, "ROLE_TOO_HIGH")
    made = await invited(people.alice, unique_email("y"), "owner")
    for method, path in (("DELETE", ""), ("POST", "/resend")):
        refused = await people.carol.client.request(method, f"/org/invitations/{made['id']}{path}")
        assert code(refused) == (403, "ROLE_TOO_HIGH")


async def test_who_is_in_or_invited_is_not_invited_again(people: People) -> None:
    alice = people.alice
    for email, expected in (
        (people.bob.actor.email, "ALREADY_MEMBER"),
        (unique_email("z"), "ALREADY_INVITED"),
    ):
        if expected == "ALREADY_INVITED":
            await invited(alice, email)
        again = await alice.client.post("/org/invitations", json={"email": email, "role": "viewer"})
        assert code(again) == (409, expected)


async def test_two_invite_the_same_at_once(people: People) -> None:
    body = {"email": unique_email("same"), "role": "viewer"}
    answers = await asyncio.gather(
        *(person.client.post("/org/invitations", json=body) for person in (people.alice, people.carol))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_an_invitation_goes_with_the_inviters_right(people: People, dave: Person) -> None:
    token = token_of(await invited(people.carol, dave.actor.email))
    path = f"/org/members/{people.carol.actor.user_id}"
    await people.alice.client.put(f"{path}/role", json={"role": "editor"})
    assert (await dave.client.post(f"/invitations/{token}/accept")).status_code == 404


async def test_who_owned_it_leaves_no_invitation_to_own_it(
    api: FastAPI, people: People, dave: Person
) -> None:
    """Else a former owner would be one again, with a second address."""
    second = await join(api, people.alice, "second", "owner")
    for heir, owner in ((people.alice, second), (people.carol, people.alice)):
        token = token_of(await invited(owner, dave.actor.email, "owner"))
        kept = token_of(await invited(owner, unique_email("kept"), "admin"))
        if owner is second:
            path = f"/org/members/{second.actor.user_id}/role"
            answer = await heir.client.put(path, json={"role": "admin"})
        else:
            body = {"user_id": str(heir.actor.user_id)}
            answer = await owner.client.post("/org/transfer", json=body)
        assert answer.status_code == 200, answer.text
        assert (await dave.client.post(f"/invitations/{token}/accept")).status_code == 404
        assert (await dave.client.get(f"/invitations/{kept}")).status_code == 200


async def test_a_role_that_the_identity_provider_takes_ends_invitations(people: People, dave: Person) -> None:
    token = token_of(await invited(people.carol, dave.actor.email))
    assert people.carol.actor.user_id is not None
    await admit(people.carol.actor.user_id, people.carol.org_id, "viewer", mapped=True)
    assert (await dave.client.post(f"/invitations/{token}/accept")).status_code == 404


async def test_only_to_the_domains_that_are_allowed(alice: Person) -> None:
    await alice.client.put("/org", json={"settings": {"invitation_domains": ["acme.org"]}})
    for email, expected in (
        ("x@example.com", 422),
        ("x@acme.org.example.com", 422),
        ("x@notacme.org", 422),
        ("x@ACME.org", 201),
    ):
        answer = await alice.client.post("/org/invitations", json={"email": email, "role": "viewer"})
        assert answer.status_code == expected, email


@pytest.mark.parametrize(
    "body",
    [
        {"email": "nobody", "role": "viewer"},
        {"email": "a@example.com"},
        {"email": "a@example.com", "role": "king"},
        {"email": "a@example.com", "role": "viewer", "token": "mine"},
        {"email": "a@example.com\nBcc: b@example.com", "role": "viewer"},
    ],
)
async def test_a_bad_invitation(alice: Person, body: dict[str, Any]) -> None:
    assert (await alice.client.post("/org/invitations", json=body)).status_code == 422


async def test_a_key_takes_no_invitation(alice: Person, dave: Person, anonymous: httpx.AsyncClient) -> None:
    token = token_of(await invited(alice, dave.actor.email))
    key = await dave.client.post("/org/api-keys", json={"name": "Key", "scopes": ["agents:read"]})
    headers = {"X-API-Key": key.json()["key"]}
    answer = await anonymous.post(f"/invitations/{token}/accept", headers=headers)
    assert code(answer) == (403, "PERSON_NEEDED")


async def test_the_secret_of_a_link_is_kept_nowhere(alice: Person) -> None:
    token = token_of(await invited(alice, unique_email("new")))
    async with database().transaction(alice.actor) as tx:
        stored = await tx.execute(
            text(
                "SELECT (SELECT string_agg(i::text, '') FROM org_invitations i) ||"
                " (SELECT string_agg(a::text, '') FROM audit_logs a)"
            )
        )
        assert token not in stored.scalar_one()
    assert token not in (await alice.client.get("/org/invitations")).text


async def test_who_lost_the_last_organization_still_has_somewhere_to_go(
    people: People, anonymous: httpx.AsyncClient
) -> None:
    bob = people.bob
    await people.alice.client.delete(f"/org/members/{bob.actor.user_id}")
    back = await anonymous.post("/auth/login", json={"email": bob.actor.email, "password": PASSWORD})
    assert (back.status_code, back.json()["role"]) == (200, "owner")
    assert back.json()["org"]["id"] != str(bob.org_id)
    again = await anonymous.post("/auth/login", json={"email": bob.actor.email, "password": PASSWORD})
    assert again.json()["org"]["id"] == back.json()["org"]["id"]


async def test_where_letters_are_sent_the_link_is_only_in_the_letter(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters: list[dict[str, str]] = []

    async def keep(tx: object, **letter: str) -> None:
        letters.append(letter)

    monkeypatch.setattr(invitations, "mail_configured", lambda: True)
    monkeypatch.setattr(invitations, "send", keep)
    await people.alice.client.put("/org", json={"name": "Acme\r\nBcc: all@example.com"})
    email = unique_email("new")
    made = await invited(people.alice, email)
    assert made["link"] is None
    (letter,) = letters
    assert letter["to"] == email
    assert "\n" not in letter["subject"]
    link = next(line for line in letter["text"].splitlines() if "/invite/" in line)
    preview = await people.alice.client.get(f"/invitations/{link.rpartition('/')[2]}")
    assert preview.json()["email"] == email


@pytest.mark.parametrize("call", ["create", "resend"])
async def test_a_right_that_was_lost_a_moment_ago_invites_nobody(
    api: FastAPI, people: People, call: str
) -> None:
    """The actor was read before the role changed, as in a call that waited for the change."""
    alice = people.alice
    dave = await join(api, alice, "dave", "owner")
    body = {"email": unique_email("new"), "role": "owner"}
    invited = (await alice.client.post("/org/invitations", json=body)).json()["id"]
    await alice.client.put(f"/org/members/{dave.actor.user_id}/role", json={"role": "admin"})
    async with database().transaction(dave.actor) as tx:
        service = InvitationService(tx, dave.actor)
        wanted = InvitationCreate(email=unique_email("other"), role="owner")
        inviting = service.create(wanted) if call == "create" else service.resend(UUID(invited))
        with pytest.raises(RoleTooHigh):
            await inviting
