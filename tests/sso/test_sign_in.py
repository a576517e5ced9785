"""Signing in through a real OpenID provider, and all the ways in which that must not work."""

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update
from sqlmodel import col

from agentflow_app.accounts.authentication import actor_behind, ensure_still_in
from agentflow_app.accounts.models import PageSession, User
from agentflow_app.accounts.sessions import SESSION_COOKIE, actor_for_session
from agentflow_app.accounts.tokens import read_access_token
from agentflow_app.audit.models import AuditLog
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import database
from agentflow_app.core.errors import Unauthenticated
from agentflow_app.core.ids import new_id
from agentflow_app.core.settings import settings as current_settings
from agentflow_app.core.tenancy import SingleSignOnNeeded
from agentflow_app.organizations.models import Membership
from agentflow_app.sso import provider
from agentflow_app.sso.domains import vouch
from agentflow_app.sso.login import own_path
from tests.actors import PASSWORD, Person, password_hash
from tests.support.identity_provider import IdentityProvider


@dataclass
class Company:
    """An organization with a verified domain, whose people the provider knows by their names."""

    owner: Person
    id: str
    domain: str
    idp: IdentityProvider
    body: dict[str, Any]

    def knows(self, name: str, **claims: Any) -> str:
        subject = f"{name}-{self.domain}"
        told = {"email": f"{name}@{self.domain}", "email_verified": True, "name": name.title(), **claims}
        self.idp.knows(**{subject: told})
        return subject

    async def change(self, **fields: Any) -> None:
        answer = await self.owner.client.put(f"/org/sso/{self.id}", json={**self.body, **fields})
        assert answer.status_code == 200, answer.text
        self.body |= fields

    async def roles(self) -> dict[str, str]:
        query = select(col(User.email), col(Membership.role)).join(
            Membership, col(Membership.user_id) == col(User.id)
        )
        async with database().system() as tx:
            rows = await tx.execute(query.where(col(Membership.org_id) == self.owner.org_id))
            return {row[0].partition("@")[0]: row[1] for row in rows}

    async def refusals(self) -> list[str]:
        query = select(col(AuditLog.details)).where(col(AuditLog.action) == "sso_connection.sign_in_refused")
        query = query.order_by(col(AuditLog.seq))
        async with database().transaction(self.owner.actor) as tx:
            return [each["reason"] for each in (await tx.execute(query)).scalars()]


@pytest.fixture
async def company(
    api: FastAPI, alice: Person, idp: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> Company:
    monkeypatch.setattr(current_settings(), "rate_limit_auth", "off")
    monkeypatch.setattr(current_settings(), "allowed_private_hosts", [idp.host])
    domain = f"{new_id().hex[-12:]}.example.com"
    body = idp.connection(domains=[domain])
    made = await alice.client.post("/org/sso", json=body)
    assert made.status_code == 201, made.text
    assert "secret" not in made.text
    await vouch(domain)
    return Company(alice, made.json()["id"], domain, idp, body)


async def test_a_newcomer_of_the_domain_becomes_a_member(company: Company, open_window: Any) -> None:
    subject, window = company.knows("ada"), open_window()
    assert await window.sign_in(subject, email=f"ada@{company.domain}", next="/runs") == "/runs"
    assert window.is_in
    assert (await company.roles())["ada"] == "viewer"
    again = open_window()
    await again.sign_in(subject, connection=company.id)
    assert again.is_in
    assert list(await company.roles()).count("ada") == 1


async def test_what_belongs_to_one_browser_is_worth_nothing_in_another(
    company: Company, open_window: Any
) -> None:
    victim, thief = open_window(), open_window()
    subject = company.knows("ada")
    stolen = await victim.at_provider(await victim.start(connection=company.id), subject)
    assert "SSO_EXPIRED" in await thief.back(stolen)
    own = parse_qs(urlsplit(await thief.start(connection=company.id)).query)["state"][0]
    assert "SSO_PROVIDER_FAULT" in await thief.back({**stolen, "state": own})
    assert not thief.is_in


async def test_an_answer_counts_once(company: Company, open_window: Any) -> None:
    window = open_window()
    answer = await window.at_provider(await window.start(connection=company.id), company.knows("ada"))
    cookies = dict(window.app.cookies)
    assert await window.back(answer) == "/"
    window.app.cookies.clear()
    window.app.cookies.update(cookies)
    assert "SSO_EXPIRED" in await window.back(answer)
    assert not window.is_in
    window.app.cookies.clear()
    fresh = parse_qs(urlsplit(await window.start(connection=company.id)).query)["state"][0]
    assert "SSO_PROVIDER_FAULT" in await window.back({**answer, "state": fresh})
    assert not window.is_in


async def test_an_answer_that_is_brought_twice_at_once_counts_once(
    company: Company, open_window: Any
) -> None:
    window, twin = open_window(), open_window()
    answer = await window.at_provider(await window.start(connection=company.id), company.knows("ada"))
    twin.app.cookies.update(dict(window.app.cookies))
    places = await asyncio.gather(window.back(answer), twin.back(answer))
    assert sorted("SSO_EXPIRED" in place for place in places) == [False, True]
    assert window.is_in != twin.is_in


async def test_only_verified_addresses_of_the_own_domain_come_in(
    company: Company, open_window: Any, mallory: Person
) -> None:
    for name, claims in (
        ("stranger", {"email": mallory.actor.email}),
        ("below", {"email": f"below@sub.{company.domain}"}),
        ("unproved", {"email_verified": False}),
        ("unsaid", {"email_verified": None}),
        ("text", {"email_verified": "true"}),
        ("nobody", {"email": None}),
        ("broken", {"email": f"a b@{company.domain}"}),
    ):
        window = open_window()
        assert "SSO_ADDRESS_REFUSED" in await window.sign_in(
            company.knows(name, **claims), connection=company.id
        ), name
        assert not window.is_in
    assert len(await company.refusals()) == 7
    assert len(await company.roles()) == 4


async def test_a_trusted_providers_silence_about_the_address_is_enough(
    company: Company, open_window: Any
) -> None:
    await company.change(trust_email=True)
    window = open_window()
    await window.sign_in(company.knows("silent", email_verified=None), connection=company.id)
    assert window.is_in
    other = open_window()
    await other.sign_in(company.knows("denied", email_verified=False), connection=company.id)
    assert not other.is_in


async def test_an_account_of_the_domain_is_linked_and_its_role_kept(
    company: Company, open_window: Any
) -> None:
    async with database().system() as tx:
        user = User(email=f"grace@{company.domain}", name="Grace", password_hash=password_hash())
        tx.add(user)
        await tx.flush()
        tx.add(Membership(user_id=user.id, org_id=company.owner.org_id, role="editor"))
    window = open_window()
    await window.sign_in(company.knows("grace"), connection=company.id)
    assert window.is_in
    assert (await company.roles())["grace"] == "editor"


async def test_an_account_that_somebody_made_beforehand_is_not_handed_the_address(
    company: Company, open_window: Any
) -> None:
    async with database().system() as tx:
        tx.add(User(email=f"victim@{company.domain}", name="Squatter", password_hash=password_hash()))
    window = open_window()
    await window.sign_in(company.knows("victim"), connection=company.id)
    assert not window.is_in
    assert "victim" not in await company.roles()


async def test_roles_follow_the_groups_and_never_reach_owner(company: Company, open_window: Any) -> None:
    mapping = {"role_claim": "groups", "role_mapping": {"admins": "admin", "staff": "editor"}}
    await company.change(**mapping)
    for groups, role in ((["staff", "admins"], "admin"), (["staff"], "editor"), (["owner"], "viewer")):
        await open_window().sign_in(company.knows("ada", groups=groups), connection=company.id)
        assert (await company.roles())["ada"] == role
    body = {**company.body, "role_mapping": {"x": "owner"}}
    assert (await company.owner.client.put(f"/org/sso/{company.id}", json=body)).status_code == 422
    async with database().system() as tx:
        await tx.execute(
            update(User)
            .where(col(User.id) == company.owner.actor.user_id)
            .values(email=f"boss@{company.domain}")
        )
    window = open_window()
    await window.sign_in(company.knows("boss", groups=["staff"]), connection=company.id)
    assert window.is_in
    assert (await company.roles())["boss"] == "owner"


async def test_who_was_deactivated_stays_out(company: Company, open_window: Any) -> None:
    subject = company.knows("ada")
    await open_window().sign_in(subject, connection=company.id)
    members = (await company.owner.client.get(f"/org/members?search=ada@{company.domain}")).json()["data"]
    path = f"/org/members/{members[0]['user_id']}/status"
    ended = await company.owner.client.put(path, json={"status": "deactivated"})
    assert ended.status_code == 200
    window = open_window()
    assert "SSO_ACCESS_ENDED" in await window.sign_in(subject, connection=company.id)
    assert not window.is_in


async def test_a_demanded_sign_in_shuts_the_password_door_but_for_owners(
    company: Company, open_window: Any, anonymous: httpx.AsyncClient
) -> None:
    await open_window().sign_in(company.knows("ada"), connection=company.id)
    async with database().system() as tx:
        for email, change in (
            (f"ada@{company.domain}", {"password_hash": password_hash()}),
            (company.owner.actor.email, {"email": f"boss@{company.domain}"}),
        ):
            await tx.execute(update(User).where(col(User.email) == email).values(**change))
    ada = {"email": f"ada@{company.domain}", "password": PASSWORD}
    assert (await anonymous.post("/auth/login", json=ada)).status_code == 200
    await company.change(enforced=True)
    refused = await anonymous.post("/auth/login", json=ada)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "SSO_REQUIRED")
    wrong = await anonymous.post("/auth/login", json={**ada, "password": "a wrong one"})
    assert wrong.json()["error"]["code"] == "INVALID_CREDENTIALS"
    boss = {"email": f"boss@{company.domain}", "password": PASSWORD}
    assert (await anonymous.post("/auth/login", json=boss)).status_code == 200
    await company.change(active=False)
    assert (await anonymous.post("/auth/login", json=ada)).status_code == 200


async def test_nothing_is_demanded_of_a_domain_that_is_not_verified(
    api: FastAPI, mallory: Person, company: Company
) -> None:
    body = {**company.body, "issuer": "https://idp.example.com"}
    made = (await mallory.client.post("/org/sso", json=body)).json()
    assert made["domains"][0]["verified"] is False
    answer = await mallory.client.put(f"/org/sso/{made['id']}", json={**body, "enforced": True})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "SSO_NO_VERIFIED_DOMAIN")


async def test_a_domain_is_verified_for_one_connection_by_its_own_record(
    company: Company, mallory: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = f"{new_id().hex[-12:]}.example.com"
    records: dict[str, set[str]] = {}

    async def published(name: str) -> set[str]:
        return records.get(name, set())

    monkeypatch.setattr("agentflow_app.sso.domains.published", published)
    ids = {}
    for person in (company.owner, mallory):
        body = {**company.body, "name": "Second", "domains": [domain, company.domain]}
        made = (await person.client.post("/org/sso", json=body)).json()
        ids[person] = made["id"]
        if person is mallory:
            records[domain] = {made["domains"][0]["record_value"], made["domains"][1]["record_value"]}
    for person, expected in ((company.owner, {False}), (mallory, {True, False})):
        checked = await person.client.post(f"/org/sso/{ids[person]}/verify-domains")
        assert {each["verified"] for each in checked.json()["domains"]} == expected
    records[company.domain] = records[domain]
    taken = await mallory.client.post(f"/org/sso/{ids[mallory]}/verify-domains")
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "SSO_DOMAIN_TAKEN")
    shown = (await mallory.client.get(f"/org/sso/{ids[mallory]}")).json()
    assert [each["domain"] for each in shown["domains"] if each["verified"]] == [domain]


async def test_another_providers_subjects_are_other_people(company: Company, open_window: Any) -> None:
    await open_window().sign_in(company.knows("ada"), connection=company.id)
    await company.change(client_id="another")
    query = select(col(User.id)).where(col(User.email) == f"ada@{company.domain}")
    from agentflow_app.sso.models import SsoIdentity

    async with database().system() as tx:
        user_id = (await tx.execute(query)).scalar_one()
        kept = await tx.execute(select(SsoIdentity).where(col(SsoIdentity.user_id) == user_id))
        assert kept.scalars().all() == []


async def test_an_answer_of_another_provider_is_refused(company: Company, open_window: Any) -> None:
    window = open_window()
    answer = await window.at_provider(await window.start(connection=company.id), company.knows("ada"))
    assert "SSO_PROVIDER_FAULT" in await window.back({**answer, "iss": "https://evil.example.com"})
    window = open_window()
    answer = await window.at_provider(await window.start(connection=company.id), company.knows("ada"))
    assert "SSO_PROVIDER_FAULT" in await window.back({k: v for k, v in answer.items() if k != "iss"})
    assert not window.is_in


async def test_no_access_is_no_access(company: Company, open_window: Any) -> None:
    window = open_window()
    state = parse_qs(urlsplit(await window.start(connection=company.id)).query)["state"][0]
    denied = {"error": "access_denied", "state": state, "iss": company.idp.issuer}
    assert "SSO_DENIED" in await window.back(denied)
    assert "SSO_NOT_FOUND" in await window.start(email="a@unknown.example.com")
    assert "SSO_NOT_FOUND" in await window.start(connection=str(new_id()))
    assert "SSO_NOT_FOUND" in await window.start()
    await company.change(active=False)
    assert "SSO_NOT_FOUND" in await window.start(email=f"a@{company.domain}")


async def test_a_name_is_taken_once(company: Company) -> None:
    again = await company.owner.client.post("/org/sso", json=company.body)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "NAME_TAKEN")
    other = await company.owner.client.post("/org/sso", json={**company.body, "name": "Other"})
    path = f"/org/sso/{other.json()['id']}"
    assert (await company.owner.client.put(path, json=company.body)).status_code == 409


async def test_the_test_says_what_is_wrong(company: Company) -> None:
    answer = await company.owner.client.post(f"/org/sso/{company.id}/test")
    assert answer.json() == {"ok": True, "problem": None}
    for issuer, word in (
        (f"{company.idp.issuer}/", "calls itself"),
        ("https://127.0.0.1:9", ""),
        (f"{company.idp.issuer}/nothing", "404"),
    ):
        await company.change(issuer=issuer)
        answer = (await company.owner.client.post(f"/org/sso/{company.id}/test")).json()
        assert answer["ok"] is False
        assert word in answer["problem"]


@pytest.mark.parametrize(
    "issuer", ["http://idp.example.com", "https://", "file:///etc/passwd", "https://a?b"]
)
async def test_an_issuer_that_is_no_place_is_refused(alice: Person, issuer: str) -> None:
    body = {"name": "x", "issuer": issuer, "client_id": "x", "client_secret": "x"}
    assert (await alice.client.post("/org/sso", json=body)).status_code == 422


@pytest.mark.parametrize("text", ["//evil.example", "/\\evil", "https://evil.example", "", "/a\r\nb", None])
def test_only_own_paths_are_gone_to(text: str | None) -> None:
    assert own_path(text) == "/"
    assert own_path("/runs?x=1#y") == "/runs?x=1#y"


async def test_an_id_token_is_believed_only_as_it_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    from time import time

    from joserfc import jwt
    from joserfc.jwk import OctKey, RSAKey

    from agentflow_app.sso.errors import ProviderFault

    key, other = RSAKey.generate_key(2048, {"kid": "1"}), RSAKey.generate_key(2048, {"kid": "1"})
    found = {"jwks_uri": "https://idp.example.com/keys"}

    async def remembered(*_: object, **__: object) -> dict[str, Any]:
        return {"keys": [key.as_dict(private=False)]}

    monkeypatch.setattr(provider, "_remembered", remembered)
    client = provider.Client("https://idp.example.com", "us", "secret")
    now = int(time())
    good = {"iss": client.issuer, "aud": "us", "sub": "1", "nonce": "n", "iat": now, "exp": now + 60}

    def signed(by: Any = key, alg: str = "RS256", **changes: Any) -> str:
        claims = {name: value for name, value in (good | changes).items() if value is not None}
        return jwt.encode({"alg": alg, "kid": "1"}, claims, by, algorithms=[alg])

    assert (await provider.read_id_token(found, client, signed(), "n"))["sub"] == "1"
    both = signed(aud=["us", "them"], azp="us")
    assert (await provider.read_id_token(found, client, both, "n"))["sub"] == "1"
    public = key.as_pem(private=False)
    head, claims, _ = signed().split(".")
    for token in {
        "another key": signed(other),
        "a shared secret": signed(OctKey.import_key(client.secret * 6), "HS256"),
        "the public key as a secret": signed(OctKey.import_key(public.replace(b"-", b"")), "HS256"),
        "unsigned": f"eyJhbGciOiJub25lIn0.{claims}.",
        "cut": f"{head}.{claims}.",
        "no token": "x",
        "another issuer": signed(iss="https://evil.example.com"),
        "another audience": signed(aud="them"),
        "no audience": signed(aud=None),
        "several audiences": signed(aud=["us", "them"]),
        "issued to another": signed(azp="them"),
        "expired": signed(exp=now - 120),
        "endless": signed(exp=None),
        "another nonce": signed(nonce="m"),
        "no nonce": signed(nonce=None),
        "no subject": signed(sub=None),
        "empty subject": signed(sub=""),
    }.values():
        with pytest.raises(ProviderFault):
            await provider.read_id_token(found, client, token, "n")


async def _enter(company: Company, name: str, role: str) -> None:
    """A member with a password and an address of the domain."""
    async with database().system() as tx:
        email = f"{name}@{company.domain}"
        user = User(email=email, name=name, password_hash=password_hash(), email_verified_at=utcnow())
        tx.add(user)
        await tx.flush()
        tx.add(Membership(user_id=user.id, org_id=company.owner.org_id, role=role))


async def test_demanding_it_reaches_sessions_that_are_open(
    company: Company, open_window: Any, api: FastAPI
) -> None:
    for name, role in (("ada", "admin"), ("boss", "owner")):
        await _enter(company, name, role)

    async def logged_in(name: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(api, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://localhost/api/v1")
        body = {"email": f"{name}@{company.domain}", "password": PASSWORD}
        token = (await client.post("/auth/login", json=body)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        return client

    ada, boss = await logged_in("ada"), await logged_in("boss")
    own = (await ada.post("/orgs", json={"name": "Her own"})).json()["id"]
    key = (await ada.post("/org/api-keys", json={"name": "K", "scopes": ["agents:read"]})).json()["key"]
    claims = read_access_token(ada.headers["Authorization"].removeprefix("Bearer "))
    assert claims
    watching = await actor_behind(claims)
    assert watching
    await ensure_still_in(watching)
    await company.change(enforced=True)
    for method, path in (("GET", "/org"), ("GET", "/agents"), ("POST", "/agents")):
        answer = await ada.request(method, path, json={"name": "x"} if method == "POST" else None)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "SSO_REQUIRED"), path
    with pytest.raises(Unauthenticated):
        await ensure_still_in(watching)  # what sockets ask now and then
    assert (await boss.get("/agents")).status_code == 200
    assert (await boss.get("/agents", headers={"Authorization": f"Bearer {key}"})).status_code == 200
    # A renewed token is of the same login; another organization, which demands nothing, is open to her.
    renewed = (await ada.post("/auth/refresh")).json()["access_token"]
    again = await ada.get("/agents", headers={"Authorization": f"Bearer {renewed}"})
    assert again.json()["error"]["code"] == "SSO_REQUIRED"
    switched = (await ada.post("/auth/switch", json={"org_id": own})).json()["access_token"]
    elsewhere = {"Authorization": f"Bearer {switched}"}
    assert (await ada.get("/agents", headers=elsewhere)).status_code == 200
    body = {"org_id": str(company.owner.org_id)}
    back = (await ada.post("/auth/switch", json=body, headers=elsewhere)).json()["access_token"]
    refused = await ada.get("/agents", headers={"Authorization": f"Bearer {back}"})
    assert refused.json()["error"]["code"] == "SSO_REQUIRED"
    await company.change(enforced=False)
    assert (await ada.get("/agents", headers={"Authorization": f"Bearer {back}"})).status_code == 200
    for each in (ada, boss):
        await each.aclose()


async def test_sessions_of_its_own_provider_go_on(company: Company, open_window: Any) -> None:
    await _enter(company, "ada", "admin")
    window = open_window()
    await window.sign_in(company.knows("ada"), connection=company.id)
    await company.change(enforced=True)
    actor = await actor_for_session(window.app.cookies[SESSION_COOKIE])
    assert actor
    assert not actor.lacks_single_sign_on
    assert actor.sso_org_id == company.owner.org_id
    await ensure_still_in(actor)
    async with database().system() as tx:  # as if another organization's provider had vouched
        other = update(PageSession).where(col(PageSession.id) == actor.session_id)
        await tx.execute(other.values(sso_org_id=new_id()))
    foreign = await actor_for_session(window.app.cookies[SESSION_COOKIE])
    assert foreign
    with pytest.raises(SingleSignOnNeeded):
        foreign.require("agents:read")
    with pytest.raises(Unauthenticated):
        await ensure_still_in(foreign)


async def test_a_domain_tells_its_sign_on_and_nothing_of_accounts(
    company: Company, anonymous: httpx.AsyncClient, mallory: Person
) -> None:
    async def home(domain: str) -> Any:
        answer = await anonymous.get("/auth/sso/home", params={"domain": domain})
        assert answer.status_code == 200
        return answer.json()

    nothing = {"name": None, "enforced": False}
    assert await home(f" {company.domain.upper()} ") == {"name": "Provider", "enforced": False}
    await company.change(enforced=True)
    assert await home(company.domain) == {"name": "Provider", "enforced": True}
    unverified = f"{new_id().hex[-12:]}.example.com"
    await company.change(domains=[company.domain, unverified])
    known = mallory.actor.email
    for other in (unverified, f"sub.{company.domain}", "", "%", known, known.partition("@")[2], "\x00"):
        assert await home(other) == nothing, other
    await company.change(active=False)
    assert await home(company.domain) == nothing
    answer = await anonymous.get("/auth/sso/start", params={"email": f"ada@{company.domain}\x00"})
    assert "SSO_NOT_FOUND" in answer.headers["location"]
