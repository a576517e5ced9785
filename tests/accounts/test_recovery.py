"""Passwords changed and reset, addresses verified and changed: each link once, in its time."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import update
from sqlmodel import col

from agentflow_app.accounts import service
from agentflow_app.accounts.models import OneTimeToken
from agentflow_app.accounts.passwords import verify_password
from agentflow_app.accounts.recovery import forget_password, operator_reset_link
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import database
from agentflow_app.core.errors import NotFound
from tests.accounts.conftest import Browser, audited, letters_to, link_to, stored
from tests.actors import PASSWORD, Person, unique_email

OpenBrowser = Callable[[Person], Browser]
NEW = "a new and better one"


async def _expire(person: Person) -> None:
    async with database().system() as tx:
        await tx.execute(
            update(OneTimeToken)
            .where(col(OneTimeToken.user_id) == person.actor.user_id)
            .values(expires_at=utcnow() - timedelta(seconds=1))
        )


async def test_a_password_is_changed_by_who_knows_the_old_one(
    alice: Person, open_browser: OpenBrowser
) -> None:
    mine, other = open_browser(alice), open_browser(alice)
    await mine.log_in()
    await other.log_in()
    wrong = await mine.call("POST", "/password", old_password="not it at all", new_password=NEW)
    assert (wrong.status_code, wrong.json()["error"]["details"]["fields"]) == (
        422,
        {"old_password": "is wrong"},
    )
    assert (await other.call("GET", "/profile")).status_code == 200
    done = await mine.call("POST", "/password", old_password=PASSWORD, new_password=NEW)
    assert done.status_code == 204, done.text
    assert (await mine.call("GET", "/profile")).status_code == 200
    assert (await other.call("GET", "/profile")).status_code == 401
    assert (await other.log_in()).status_code == 401
    assert (await other.log_in(NEW)).status_code == 200
    assert "user.password_changed" in await audited(alice)


@pytest.mark.parametrize(
    "password", ["password123", "PASSWORD123", "11111111", "ababababab", "{email}", "short"]
)
async def test_passwords_that_are_tried_first_are_refused(
    alice: Person, open_browser: OpenBrowser, anonymous: httpx.AsyncClient, password: str
) -> None:
    mine = open_browser(alice)
    await mine.log_in()
    given = password.format(email=alice.actor.email)
    changed = await mine.call("POST", "/password", old_password=PASSWORD, new_password=given)
    assert list(changed.json()["error"]["details"]["fields"]) == ["new_password"]
    email = unique_email("new")
    body = {"email": email, "password": password.format(email=email), "name": "N", "org_name": "O"}
    signed_up = await mine.client.post("/auth/signup", json=body)
    assert list(signed_up.json()["error"]["details"]["fields"]) == ["password"]


async def test_a_forgotten_password_is_reset_once_by_the_link(
    alice: Person, open_browser: OpenBrowser, post_office: None
) -> None:
    mine, page = open_browser(alice), open_browser(alice)
    await mine.log_in()
    await page.log_in(session="page")
    asked = await mine.client.post(
        "/auth/password/forgot", json={"email": alice.actor.email.upper()}, headers={"Host": "evil.example"}
    )
    unknown = await mine.client.post("/auth/password/forgot", json={"email": "nobody@example.com"})
    assert (asked.status_code, asked.content) == (unknown.status_code, unknown.content) == (202, b"null")
    (letter,) = await letters_to(alice.actor.email)
    assert "http://localhost:3000/reset/#" in letter["text"]
    assert "evil" not in letter["text"]
    assert await letters_to("nobody@example.com") == []
    token = await link_to(alice.actor.email)
    bad = await mine.client.post("/auth/password/reset", json={"token": token, "password": "password123"})
    assert bad.status_code == 422
    both = await asyncio.gather(
        *(
            mine.client.post("/auth/password/reset", json={"token": token, "password": f"{NEW} {n}"})
            for n in (1, 2)
        )
    )
    assert sorted(answer.status_code for answer in both) == [204, 410]
    assert (await mine.call("GET", "/profile")).status_code == 401
    assert (await page.call("GET", "/profile")).status_code == 401
    won = 1 + [answer.status_code for answer in both].index(204)
    assert (await mine.log_in(f"{NEW} {won}")).status_code == 200
    assert "was reset" in (await letters_to(alice.actor.email))[-1]["text"]
    assert {"user.password_reset_requested", "user.password_reset"} <= set(await audited(alice))


async def test_a_login_that_overlaps_a_reset_does_not_outlive_it(
    alice: Person, open_browser: OpenBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = open_browser(alice)
    token = (await operator_reset_link(alice.actor.email)).rpartition("#")[2]

    async def slow(stored: str | None, password: str) -> bool:
        right = await verify_password(stored, password)
        body = {"token": token, "password": NEW}
        assert (await mine.client.post("/auth/password/reset", json=body)).status_code == 204
        return right

    monkeypatch.setattr(service, "verify_password", slow)
    assert (await mine.log_in()).status_code == 401


async def test_asking_again_at_once_sends_nothing_more_and_old_links_die(
    alice: Person, open_browser: OpenBrowser, post_office: None
) -> None:
    mine = open_browser(alice)
    await forget_password(alice.actor.email)
    await forget_password(alice.actor.email)
    assert len(await letters_to(alice.actor.email)) == 1
    first = await link_to(alice.actor.email)
    link = await operator_reset_link(alice.actor.email)
    answer = await mine.client.post("/auth/password/reset", json={"token": first, "password": NEW})
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "LINK_INVALID")
    await _expire(alice)
    late = await mine.client.post(
        "/auth/password/reset", json={"token": link.rpartition("#")[2], "password": NEW}
    )
    assert late.json() == answer.json()


async def test_the_operator_makes_a_link_where_no_mail_is_sent(
    alice: Person, open_browser: OpenBrowser
) -> None:
    mine = open_browser(alice)
    link = await operator_reset_link(alice.actor.email)
    assert link.startswith("http://localhost:3000/reset/#")
    body = {"token": link.rpartition("#")[2], "password": NEW}
    assert (await mine.client.post("/auth/password/reset", json=body)).status_code == 204
    assert (await mine.log_in(NEW)).status_code == 200
    with pytest.raises(NotFound):
        await operator_reset_link("nobody@example.com")


async def test_a_link_serves_only_its_purpose(
    alice: Person, open_browser: OpenBrowser, post_office: None
) -> None:
    mine = open_browser(alice)
    await mine.log_in()
    assert (await mine.call("POST", "/verify/send")).status_code == 202
    token = await link_to(alice.actor.email)
    reset = await mine.client.post("/auth/password/reset", json={"token": token, "password": NEW})
    assert reset.status_code == 410
    assert (await mine.call("GET", "/profile")).json()["email_verified"] is False
    followed = await mine.client.post("/auth/verify", json={"token": token})
    assert followed.json() == {"email": alice.actor.email, "changed": False}
    assert (await mine.client.post("/auth/verify", json={"token": token})).status_code == 410
    assert (await mine.call("GET", "/profile")).json()["email_verified"] is True


async def test_a_sign_up_is_asked_to_verify_and_not_blocked(
    alice: Person, open_browser: OpenBrowser, post_office: None
) -> None:
    email = unique_email("fresh")
    body = {"email": email, "password": PASSWORD, "name": "Fresh", "org_name": "O"}
    made = await open_browser(alice).client.post("/auth/signup", json=body)
    assert made.status_code == 201
    assert "/verify/#" in (await letters_to(email))[0]["text"]


async def test_a_new_address_counts_once_it_was_proved(
    alice: Person, bob: Person, open_browser: OpenBrowser, post_office: None
) -> None:
    mine = open_browser(alice)
    await mine.log_in()
    new = unique_email("new")
    assert (await mine.call("POST", "/email", email=new, password="wrong one")).status_code == 422
    taken = await mine.call("POST", "/email", email=bob.actor.email, password=PASSWORD)
    assert taken.status_code == 202
    assert await letters_to(bob.actor.email) == []
    assert (await mine.call("POST", "/email", email=new, password=PASSWORD)).status_code == 202
    assert (await stored(alice)).email == alice.actor.email
    await forget_password(alice.actor.email)
    old = await link_to(alice.actor.email)
    answer = await mine.client.post("/auth/verify", json={"token": await link_to(new)})
    assert answer.json() == {"email": new, "changed": True}
    assert "another e-mail address" in (await letters_to(alice.actor.email))[-1]["text"]
    dead = await mine.client.post("/auth/password/reset", json={"token": old, "password": NEW})
    assert dead.status_code == 410
    assert (await mine.log_in()).status_code == 401
    mine.email = new
    assert (await mine.log_in()).status_code == 200


async def test_two_who_want_one_address_do_not_both_get_it(
    alice: Person, bob: Person, open_browser: OpenBrowser, post_office: None
) -> None:
    wanted, tokens = unique_email("wanted"), []
    for person in (alice, bob):
        mine = open_browser(person)
        await mine.log_in()
        await mine.call("POST", "/email", email=wanted, password=PASSWORD)
        tokens.append(await link_to(wanted))
    both = await asyncio.gather(*(mine.client.post("/auth/verify", json={"token": each}) for each in tokens))
    assert sorted(answer.status_code for answer in both) == [200, 410]


async def test_a_name_is_changed_and_nothing_else_is_taken(alice: Person, open_browser: OpenBrowser) -> None:
    mine = open_browser(alice)
    await mine.log_in()
    assert (await mine.call("PUT", "/profile", name="  Ada  ")).json()["name"] == "Ada"
    assert (await mine.call("PUT", "/profile", name="x", is_operator=True)).status_code == 422
    assert (await mine.call("GET", "/me")).json()["user"]["name"] == "Ada"
