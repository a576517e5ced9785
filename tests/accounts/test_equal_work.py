"""Whether something exists is told to no stranger, neither by an answer nor by what it takes to make it.

What the app does until the answer is out is counted, statement by statement: a clock would only guess at it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, LiteralString
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from agentflow_app.accounts.models import Passkey
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.core.settings import settings as current_settings
from agentflow_app.sso.domains import vouch
from tests.accounts.conftest import letters_to, link_to
from tests.actors import PASSWORD, People, Person, definition, node, published, sign_up, unique_email
from tests.core.test_access import _key
from tests.support.metered import Metered, count_work, looks
from tests.support.owner import alter
from tests.support.saml_provider import SamlProvider

HOOK = definition(node("start", "trigger.webhook"))
Call = Callable[[str], Awaitable[httpx.Response]]
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.fixture
def metered(api: FastAPI, post_office: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(current_settings(), "rate_limit_auth", "off")
    monkeypatch.setattr(current_settings(), "rate_limit_address", "off")
    count_work(monkeypatch)
    yield Metered(api)
    rate_limits.cache_clear()


@pytest.fixture
async def stranger(metered: Metered) -> AsyncIterator[httpx.AsyncClient]:
    async with metered.client() as client:
        yield client


async def _alike(metered: Metered, call: Call, given: dict[str, str]) -> list[str]:
    """Calls with each of them; all answers and all the work have to be those of the first. What is done."""
    found = {}
    for name, value in given.items():
        await call(value)  # what is done once only, as a connection is opened, is not looked at
        answer = await call(value)
        found[name] = (looks(answer, value), metered.last)
    first = next(iter(found.values()))
    assert {name: each for name, each in found.items() if each != first} == {}, first
    assert first[0][0] < 500
    return first[1]


def _near(secret: str) -> str:
    """Another one that begins as `secret` does."""
    tail = "".join(_ALPHABET[(ord(each) + 7) % 26] for each in secret[-8:])
    return secret[:-8] + tail


async def _account(api: FastAPI, change: LiteralString | None = None) -> str:
    """The address of a new account, changed as SQL says."""
    person = await sign_up(api, "somebody")
    await person.client.aclose()
    if change is not None:
        await alter(f"UPDATE users SET {change} WHERE id = %s", person.actor.user_id)
    return person.actor.email


async def _suspend(org_id: UUID) -> None:
    await alter("UPDATE organizations SET suspended_at = now() WHERE id = %s", org_id)


async def test_a_login(api: FastAPI, metered: Metered, stranger: httpx.AsyncClient) -> None:
    given = {
        "known": await _account(api),
        "unknown": unique_email("nobody"),
        "locked": await _account(api, "is_active = false"),
        "without a password": await _account(api, "password_hash = NULL"),
        "with a second factor": await _account(api, "second_factor_at = now()"),
    }

    async def call(email: str) -> httpx.Response:
        return await stranger.post("/auth/login", json={"email": email, "password": "not the password"})

    done = await _alike(metered, call, given)
    assert done.count("verify a hash") == 1
    assert len(done) == 2


async def test_a_forgotten_password(api: FastAPI, metered: Metered, stranger: httpx.AsyncClient) -> None:
    known = await _account(api)
    given = {
        "known": known,
        "asked before": known,
        "unknown": unique_email("nobody"),
        "locked": await _account(api, "is_active = false"),
    }

    async def call(email: str) -> httpx.Response:
        return await stranger.post("/auth/password/forgot", json={"email": email})

    assert await _alike(metered, call, given) == []
    assert len(await letters_to(known)) == 1


async def test_links_of_letters(api: FastAPI, metered: Metered, stranger: httpx.AsyncClient) -> None:
    known = await _account(api)
    await stranger.post("/auth/password/forgot", json={"email": known})
    good = await link_to(known)
    for path, more in (("/auth/verify", {}), ("/auth/password/reset", {"password": "a good long one"})):

        async def call(token: str, path: str = path, more: dict[str, str] = more) -> httpx.Response:
            return await stranger.post(path, json={"token": token, **more})

        await _alike(metered, call, {"made up": "x" * len(good), "near": _near(good)})


async def test_an_address_that_somebody_wants(
    api: FastAPI, metered: Metered, stranger: httpx.AsyncClient
) -> None:
    """Who has an account could try which others there are; also by the trail, or by the link before."""
    told = {}
    for name, wanted in (("free", unique_email("free")), ("taken", await _account(api))):
        asking = await sign_up(api, "asking")
        headers = {"Authorization": f"Bearer {asking.token}"}
        for address in (unique_email("before"), wanted):
            body = {"email": address, "password": PASSWORD}
            answer = await stranger.post("/auth/email", json=body, headers=headers)
        trail = (await asking.client.get("/org/audit-logs")).json()["data"]
        told[name] = (looks(answer), metered.last, [entry["action"] for entry in trail])
        assert len(await letters_to(wanted)) == (name == "free")
        await asking.client.aclose()
    assert told["free"] == told["taken"]
    assert any("mail_outbox" in each for each in told["free"][1])


async def test_an_invited_address(metered: Metered, stranger: httpx.AsyncClient, people: People) -> None:
    headers = {"Authorization": f"Bearer {people.alice.token}"}
    given = {
        "the first": unique_email("first"),  # as whose connection is opened
        "an account elsewhere": people.mallory.actor.email,
        "nobody": unique_email("nobody"),
    }
    found = {}
    for name, email in given.items():
        body = {"email": email, "role": "viewer"}
        answer = await stranger.post("/org/invitations", json=body, headers=headers)
        assert answer.status_code == 201
        made = answer.json()
        found[name] = (set(made), metered.last)
    assert found["nobody"] == found["an account elsewhere"]


async def test_single_sign_on_by_an_address(
    api: FastAPI, metered: Metered, stranger: httpx.AsyncClient, alice: Person
) -> None:
    domain = f"{new_id().hex[-12:]}.example.com"
    body = {"name": "P", "protocol": "saml", "metadata": SamlProvider().metadata(), "domains": [domain]}
    assert (await alice.client.post("/org/sso", json=body)).status_code == 201
    await vouch(domain)
    known = await sign_up(api, "known")
    await alter("UPDATE users SET email = %s WHERE id = %s", f"known@{domain}", known.actor.user_id)

    async def realm(of: str) -> httpx.Response:
        return await stranger.get("/auth/sso/home", params={"domain": of})

    await _alike(metered, realm, {"with accounts": "example.com", "without": "nowhere.example"})

    async def start(email: str) -> httpx.Response:
        answer = await stranger.get("/auth/sso/start", params={"email": email}, follow_redirects=False)
        where, _, _ = answer.headers["location"].partition("?")
        answer.headers = httpx.Headers({"location": where, "set-cookie": str("set-cookie" in answer.headers)})
        return answer

    led = await _alike(metered, start, {"known": f"known@{domain}", "unknown": f"nobody@{domain}"})
    assert any("sso_logins" in each for each in led)
    others = {"known": alice.actor.email, "unknown": unique_email("nobody"), "no address": "x"}
    await _alike(metered, start, others)


async def test_invitations(
    api: FastAPI, metered: Metered, stranger: httpx.AsyncClient, alice: Person, mallory: Person
) -> None:
    async def invite(owner: Person) -> tuple[str, str]:
        body = {"email": unique_email("invited"), "role": "viewer"}
        made = await owner.client.post("/org/invitations", json=body)
        found = made.json()
        if found.get("link"):
            return found["id"], found["link"].rpartition("/")[2]
        (letter,) = await letters_to(body["email"])
        return found["id"], letter["text"].partition("/invite/")[2].split()[0]

    (_, good), (expired_id, expired), (gone_id, gone) = [await invite(alice) for _ in range(3)]
    await alter("UPDATE org_invitations SET expires_at = now() WHERE id = %s", expired_id)
    await alice.client.delete(f"/org/invitations/{gone_id}")
    _, shut = await invite(mallory)
    await _suspend(mallory.org_id)
    given = {
        "made up": "x" * len(good),
        "near": _near(good),
        "expired": expired,
        "withdrawn": gone,
        "of a suspended organization": shut,
    }

    async def see(token: str) -> httpx.Response:
        return await stranger.get(f"/invitations/{token}")

    async def take(token: str) -> httpx.Response:
        body = {"name": "N", "password": PASSWORD}
        return await stranger.post(f"/invitations/{token}/accept", json=body)

    assert (await see(good)).status_code == 200
    for call in (see, take):
        done = await _alike(metered, call, given)
        assert len(done) == 1


async def test_keys_and_tokens(metered: Metered, stranger: httpx.AsyncClient, people: People) -> None:
    alice = people.alice
    good = await _key(alice, "agents:read")
    given = {
        "made up": "af_" + "x" * (len(good) - 3),
        "near": _near(good),
        "expired": await _key(alice, "agents:read", expires_at=utcnow() - timedelta(1)),
        "revoked": await _key(alice, "agents:read", is_active=False),
        "of a suspended organization": await _key(people.mallory, "agents:read"),
    }
    await _suspend(people.mallory.org_id)

    async def ask(key: str) -> httpx.Response:
        return await stranger.get("/agents", headers={"X-API-Key": key})

    assert (await ask(good)).status_code == 200
    assert len(await _alike(metered, ask, given)) == 1


async def test_provisioning(metered: Metered, stranger: httpx.AsyncClient, alice: Person) -> None:
    replaced = (await alice.client.post("/org/sso/scim-token")).json()["token"]
    good = (await alice.client.post("/org/sso/scim-token")).json()["token"]

    async def ask(token: str) -> httpx.Response:
        return await stranger.get("/scim/v2/Users", headers={"Authorization": f"Bearer {token}"})

    assert (await ask(good)).status_code == 200
    made_up = "scim_" + "x" * (len(good) - 5)
    done = await _alike(metered, ask, {"made up": made_up, "near": _near(good), "replaced": replaced})
    assert len(done) == 1


async def test_hooks(metered: Metered, stranger: httpx.AsyncClient, alice: Person) -> None:
    async def hook() -> tuple[str, str]:
        agent = await published(alice, HOOK)
        shown = (await alice.client.get(f"/agents/{agent}")).json()["trigger_config"]["webhook_url"]
        return agent, shown.rpartition("/")[2]

    (_, good), (paused_id, paused), (archived_id, archived) = [await hook() for _ in range(3)]
    for token in (good, paused, archived):
        assert (await stranger.post(f"/hooks/{token}", json={})).status_code == 202
    await alice.client.put(f"/agents/{paused_id}/status", json={"status": "paused"})
    assert (await alice.client.delete(f"/agents/{archived_id}")).status_code == 204
    given = {"made up": "x" * len(good), "near": _near(good), "paused": paused, "archived": archived}

    async def call(token: str) -> httpx.Response:
        return await stranger.post(f"/hooks/{token}", json={})

    assert len(await _alike(metered, call, given)) == 1


async def test_addresses_that_carry_their_proof(
    metered: Metered, stranger: httpx.AsyncClient, alice: Person
) -> None:
    """A form's, a waiting step's and a download's are signed: a wrong one is asked of nobody."""
    agent = await published(alice, definition(node("start", "trigger.form")))
    shown = (await alice.client.get(f"/agents/{agent}")).json()["trigger_config"]
    (good,) = [each.rpartition("/")[2] for name, each in shown.items() if "/forms/" in str(each)]
    given = {"made up": "x" * len(good), "near": _near(good)}

    async def form(token: str) -> httpx.Response:
        return await stranger.get(f"/public/forms/{token}")

    async def resume(token: str) -> httpx.Response:
        return await stranger.post(f"/public/resume/{token}", json={})

    async def download(token: str) -> httpx.Response:
        return await stranger.get(f"/exports/{token}")

    assert (await form(good)).status_code == 200
    for call in (form, resume, download):
        assert await _alike(metered, call, given) == []


async def test_passkeys(metered: Metered, stranger: httpx.AsyncClient, alice: Person) -> None:
    async with database().system() as tx:
        fields = {"public_key": b"x", "transports": [], "credential_id": b"k" * 32, "name": "Phone"}
        tx.add(Passkey(user_id=alice.actor.user_id, **fields))

    async def begin(email: str) -> httpx.Response:
        """It names nobody; who does it all the same is refused."""
        return await stranger.post("/auth/passkey/begin", json={"email": email})

    for _ in range(2):
        begun = await begin(alice.actor.email)
    assert begun.json()["options"]["allowCredentials"] == []

    async def finish(raw_id: str) -> httpx.Response:
        begun = (await stranger.post("/auth/passkey/begin")).json()
        credential = {"id": raw_id, "rawId": raw_id, "type": "public-key", "response": {}}
        body = {"challenge": begun["challenge"], "credential": credential}
        return await stranger.post("/auth/passkey", json=body)

    await _alike(metered, finish, {"known": "a2tr" * 10 + "a2s", "unknown": "dXV1" * 10 + "dXU"})


async def test_second_steps(api: FastAPI, metered: Metered, stranger: httpx.AsyncClient) -> None:
    """Without the cookie of the browser that gave the password, a challenge is as good as none."""
    email = await _account(api, "second_factor_at = now()")
    async with metered.client() as window:
        first = await window.post("/auth/login", json={"email": email, "password": PASSWORD})
        good = first.json()["error"]["details"]["challenge"]
        used = (await window.post("/auth/login", json={"email": email, "password": PASSWORD})).json()
        old = used["error"]["details"]["challenge"]
    used_up = (
        "UPDATE login_challenges SET attempts = 5 WHERE user_id = (SELECT id FROM users WHERE email = %s)"
    )
    await alter(used_up, email)
    given = {"made up": "x" * len(good), "near": _near(good), "another browser's": good, "used up": old}

    async def call(challenge: str) -> httpx.Response:
        body = {"challenge": challenge, "code": "000000"}
        return await stranger.post("/auth/login/second-factor", json=body)

    assert len(await _alike(metered, call, given)) == 1
