"""Whether an address has an account is told to nobody who guesses; however it is written, it is one."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from agentflow_app.accounts import passwords
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.core.schemas import address_of, parse_email
from agentflow_app.core.settings import settings as current_settings
from tests.accounts.conftest import letters_to
from tests.actors import PASSWORD, Person, unique_email
from tests.support.metered import looks


@pytest.fixture(autouse=True)
def unhurried(api: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(current_settings(), "rate_limit_auth", "off")
    yield
    rate_limits.cache_clear()


class Hasher:
    """Counts what the real one does."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.verified = 0

    def hash(self, password: str) -> str:
        return str(self.inner.hash(password))

    def verify(self, stored: str, password: str) -> bool:
        self.verified += 1
        return bool(self.inner.verify(stored, password))


async def test_an_unknown_address_costs_and_looks_the_same(
    alice: Person, anonymous: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasher = Hasher(passwords._hasher)
    monkeypatch.setattr(passwords, "_hasher", hasher)
    found = []
    for email in (alice.actor.email, unique_email("nobody"), "no address", "", "a@b", "\u200b@example.com"):
        before = hasher.verified
        answer = await anonymous.post("/auth/login", json={"email": email, "password": "not it"})
        found.append((hasher.verified - before, *looks(answer)))
    assert found[0][:2] == (1, 401)
    assert found == [found[0]] * len(found)


async def test_a_forgotten_password_is_answered_alike(
    alice: Person, anonymous: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current_settings(), "smtp_url", SecretStr("smtp://localhost:1"))
    monkeypatch.setattr(current_settings(), "mail_from", "robot@example.com")
    found = []
    for email in (alice.actor.email, unique_email("nobody"), "no address", alice.actor.email):
        found.append(looks(await anonymous.post("/auth/password/forgot", json={"email": email})))
    assert found[0][0] == 202
    assert found == [found[0]] * len(found)
    assert len(await letters_to(alice.actor.email)) == 1


async def test_links_that_are_none_look_alike_whatever_they_were(
    alice: Person, anonymous: httpx.AsyncClient
) -> None:
    """A used, a withdrawn and a made-up one; and an invitation tells nobody whether its address is known."""
    gone = []
    for email in (unique_email("stranger"), unique_email("another")):
        made = (await alice.client.post("/org/invitations", json={"email": email, "role": "viewer"})).json()
        await alice.client.delete(f"/org/invitations/{made['id']}")
        gone.append(made["link"].rpartition("/")[2])
    body = {"name": "N", "password": PASSWORD}
    found = [
        looks(await anonymous.post(f"/invitations/{token}/accept", json=body), token)
        for token in (*gone, "made-up")
    ]
    assert found[0][0] == 404
    assert found == [found[0]] * 3
    for path, extra in (("/auth/verify", {}), ("/auth/password/reset", {"password": "a good long one"})):
        answers = [
            looks(await anonymous.post(path, json={"token": token, **extra}))
            for token in (gone[0], "made-up")
        ]
        assert answers[0][0] == 410
        assert answers[0] == answers[1]


async def test_a_domain_tells_nothing_of_its_accounts(alice: Person, anonymous: httpx.AsyncClient) -> None:
    for domain in ("example.com", "nowhere.example", alice.actor.email):
        answer = await anonymous.get("/auth/sso/home", params={"domain": domain})
        assert answer.json() == {"name": None, "enforced": False}
    found = [
        looks(await anonymous.get("/auth/sso/start", params={"email": email}))
        for email in (alice.actor.email, unique_email("nobody"), "no address")
    ]
    assert found == [found[0]] * 3


WRITTEN = {
    "upper case": lambda email: email.upper(),
    "spaces around": lambda email: f"  {email} ",
    "full-width domain": lambda email: email.replace("example", "\uff45\uff58ample"),
    "another dot": lambda email: email.replace(".com", "\u3002com"),
    "decomposed": lambda email: email.replace("\u00e9", "e\u0301"),
}


@pytest.mark.parametrize("way", WRITTEN)
async def test_one_signs_in_however_the_address_is_written(anonymous: httpx.AsyncClient, way: str) -> None:
    email = unique_email("ren\u00e9")
    body = {"email": email, "password": PASSWORD, "name": "N", "org_name": "O"}
    written = WRITTEN[way](email)
    assert (await anonymous.post("/auth/signup", json=body)).status_code == 201
    login = await anonymous.post("/auth/login", json={"email": written, "password": PASSWORD})
    assert login.status_code == 200, login.text
    again = await anonymous.post("/auth/signup", json={**body, "email": written.strip()})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "EMAIL_TAKEN")


LIKENESSES = {
    "cyrillic a": ("a", "\u0430"),
    "dotless i": ("i", "\u0131"),
    "zero width": ("a", "a\u200b"),
    "joiner": ("a", "a\u200d"),
    "right to left": ("a", "a\u202e"),
    "soft hyphen": ("a", "a\u00ad"),
    "full-width a": ("a", "\uff41"),
    "kelvin": ("k", "\u212a"),
}


@pytest.mark.parametrize("way", LIKENESSES)
async def test_an_address_that_only_looks_like_another_is_not_that_one(
    anonymous: httpx.AsyncClient, way: str
) -> None:
    letter, twin = LIKENESSES[way]
    email = unique_email("maik")
    body = {"email": email, "password": PASSWORD, "name": "N", "org_name": "O"}
    assert (await anonymous.post("/auth/signup", json=body)).status_code == 201
    typed = email.replace(letter, twin, 1)
    login = await anonymous.post("/auth/login", json={"email": typed, "password": "not it"})
    assert login.json()["error"]["code"] == "INVALID_CREDENTIALS"
    if address_of(typed) != email:
        right = await anonymous.post("/auth/login", json={"email": typed, "password": PASSWORD})
        assert right.status_code == 401
        other = await anonymous.post("/auth/signup", json={**body, "email": typed, "password": "another one"})
        assert other.status_code in {201, 422}, other.text
        still = await anonymous.post("/auth/login", json={"email": email, "password": PASSWORD})
        assert still.json()["user"]["email"] == email


@pytest.mark.parametrize(
    "text", ["\u0130@x.example", "STRASSE@x.example", "\u00c9@X.example", "a@\u1e9e.example"]
)
def test_an_address_is_written_in_one_way(text: str) -> None:
    once = parse_email(text)
    assert once is None or parse_email(once) == once
