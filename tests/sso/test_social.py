"""Signing in with Google (a real OpenID provider stands for it) and GitHub, and when that must not work."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import ValidationError
from pyotp import TOTP
from sqlalchemy import select, update
from sqlmodel import col

from agentflow_app.accounts.models import User
from agentflow_app.audit.models import AuditLog
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.core.settings import Settings
from agentflow_app.core.settings import settings as current_settings
from agentflow_app.organizations.models import Membership, Organization
from agentflow_app.sso import clients
from agentflow_app.sso.domains import vouch
from agentflow_app.sso.github import _api
from agentflow_app.sso.social import linked
from tests.actors import PASSWORD, Person, password_hash
from tests.support.github import GitHub
from tests.support.identity_provider import IdentityProvider
from tests.support.window import Window

pytestmark = pytest.mark.usefixtures("public")


def _knows(hub: GitHub, login: str, *emails: tuple[str, bool, bool], name: str | None = None) -> str:
    told = [{"email": each, "primary": first, "verified": sure} for each, first, sure in emails]
    hub.people[login] = ({"id": new_id().int >> 80, "login": login, "name": name}, told)
    return login


def _new() -> tuple[str, str]:
    """A login that nobody has, and an address of it."""
    login = f"octo{new_id().hex[-12:]}"
    return login, f"{login}@example.com"


async def _with_github(window: Window, hub: GitHub, login: str, **query: str) -> str:
    return await window.back(hub.authorize(await window.start(provider="github", **query), login))


async def _places(email: str) -> list[tuple[str, str]]:
    query = (
        select(col(Organization.name), col(Membership.role))
        .join(Membership, col(Membership.org_id) == col(Organization.id))
        .join(User, col(User.id) == col(Membership.user_id))
    )
    async with database().system() as tx:
        return [(row[0], row[1]) for row in await tx.execute(query.where(col(User.email) == email))]


async def _account(email: str, **fields: Any) -> User:
    async with database().system() as tx:
        user = User(email=email, name="Old", password_hash=password_hash(), **fields)
        tx.add(user)
    return user


async def test_who_is_new_gets_an_organization_with_the_sample(hub: GitHub, open_window: Any) -> None:
    login, email = _new()
    _knows(hub, login, ("other@example.com", False, True), (email.upper(), True, True), name="Octo Cat")
    window = open_window()
    assert await _with_github(window, hub, login, next="/runs") == "/runs"
    assert window.is_in
    assert await _places(email) == [("Octo Cat's organization", "owner")]
    async with database().system() as tx:
        user = (await tx.execute(select(User).where(col(User.email) == email))).scalar_one()
    assert (user.password_hash, user.auth_provider) == (None, "github")
    assert user.email_verified_at is not None
    # From now on GitHub's number counts: another address there, and none that is verified.
    hub.people[login] = (hub.people[login][0], [{"email": "x@x.org", "primary": True, "verified": False}])
    again = open_window()
    assert await _with_github(again, hub, login) == "/"
    assert len(await _places(email)) == 1


async def test_google_is_believed_by_its_id_token(idp: IdentityProvider, open_window: Any) -> None:
    name, email = _new()
    idp.knows(**{name: {"email": email, "email_verified": True, "name": "Ada"}})
    window = open_window()
    answer = await window.at_provider(await window.start(provider="google", next="/agents"), name)
    assert await window.back(answer) == "/agents"
    assert window.is_in
    assert await _places(email) == [("Ada's organization", "owner")]
    for unsure in (False, None, "true"):
        name, email = _new()
        idp.knows(**{name: {"email": email, "email_verified": unsure}})
        other = open_window()
        answer = await other.at_provider(await other.start(provider="google"), name)
        assert await other.back(answer) == "/login?problem=SOCIAL_ADDRESS_REFUSED"
        assert await _places(email) == []


async def test_only_the_primary_and_verified_address_counts(hub: GitHub, open_window: Any) -> None:
    login, email = _new()
    for emails in (
        [(email, True, False)],
        [(email, False, True), ("b@example.com", True, False)],
        [],
        [("no address", True, True)],
    ):
        window = open_window()
        place = await _with_github(window, hub, _knows(hub, login, *emails))
        assert place == "/login?problem=SOCIAL_ADDRESS_REFUSED"
        assert not window.is_in
    assert await _places(email) == []
    for odd in (({"id": True}, []), ({"id": "1"}, []), ([], [])):
        hub.people[login] = odd
        assert "SSO_PROVIDER_FAULT" in await _with_github(open_window(), hub, login)
    hub.people[login] = ({"id": 1 << 60, "login": login}, {"message": "no list"})
    assert "SOCIAL_ADDRESS_REFUSED" in await _with_github(open_window(), hub, login)


async def test_an_account_is_linked_only_where_its_own_address_was_proved(
    hub: GitHub, open_window: Any
) -> None:
    login, email = _new()
    _knows(hub, login, (email, True, True))
    user = await _account(email)
    window = open_window()
    assert await _with_github(window, hub, login) == "/login?problem=ADDRESS_UNPROVED"
    assert not window.is_in
    async with database().system() as tx:
        await tx.execute(update(User).where(col(User.id) == user.id).values(email_verified_at=utcnow()))
    assert await _with_github(window, hub, login) == "/"
    assert window.is_in
    assert await _places(email) == [("Old's organization", "owner")]
    assert [each.issuer for each in await linked(user.id)] == [f"http://{hub.host}"]


async def test_who_is_deactivated_stays_out(hub: GitHub, open_window: Any) -> None:
    login, email = _new()
    _knows(hub, login, (email, True, True))
    await _account(email, email_verified_at=utcnow(), is_active=False)
    window = open_window()
    assert await _with_github(window, hub, login) == "/login?problem=SHUT_OUT"
    assert not window.is_in


async def test_what_belongs_to_one_browser_is_worth_nothing_in_another(hub: GitHub, open_window: Any) -> None:
    login, email = _new()
    _knows(hub, login, (email, True, True))
    victim, thief = open_window(), open_window()
    stolen = hub.authorize(await victim.start(provider="github"), login)
    assert "SSO_EXPIRED" in await thief.back(stolen)
    own = parse_qs(urlsplit(await thief.start(provider="github")).query)["state"][0]
    assert await thief.back({**stolen, "state": own}) == "/login?problem=SSO_PROVIDER_FAULT"
    assert not thief.is_in
    answer = hub.authorize(await victim.start(provider="github"), login)
    cookies = dict(victim.app.cookies)
    assert await victim.back(answer) == "/"
    victim.app.cookies.clear()
    victim.app.cookies.update(cookies)
    assert "SSO_EXPIRED" in await victim.back(answer)
    assert not victim.is_in


async def test_one_providers_answer_is_not_anothers(
    hub: GitHub, idp: IdentityProvider, open_window: Any
) -> None:
    login, email = _new()
    _knows(hub, login, (email, True, True))
    window = open_window()
    code = hub.authorize(await window.start(provider="github"), login)["code"]
    state = parse_qs(urlsplit(await window.start(provider="google")).query)["state"][0]
    mixed = {"code": code, "state": state, "iss": idp.issuer}
    assert await window.back(mixed) == "/login?problem=SSO_PROVIDER_FAULT"
    state = parse_qs(urlsplit(await window.start(provider="github")).query)["state"][0]
    denied = {"error": "access_denied", "state": state}
    assert await window.back(denied) == "/login?problem=SSO_DENIED"
    assert not window.is_in


async def test_an_organization_that_demands_its_own_provider_shuts_this_way(
    hub: GitHub, idp: IdentityProvider, alice: Person, open_window: Any
) -> None:
    domain = f"{new_id().hex[-12:]}.example.com"
    made = await alice.client.post("/org/sso", json=idp.connection(domains=[domain]))
    await vouch(domain)
    login, newcomer = _new()[0], _new()[0]
    _knows(hub, login, (f"{login}@{domain}", True, True))
    assert await _with_github(open_window(), hub, login) == "/"
    path = f"/org/sso/{made.json()['id']}"
    body = idp.connection(domains=[domain], enforced=True)
    assert (await alice.client.put(path, json=body)).status_code == 200
    for name in (login, _knows(hub, newcomer, (f"{newcomer}@{domain}", True, True))):
        window = open_window()
        assert await _with_github(window, hub, name) == "/login?problem=SSO_REQUIRED"
        assert not window.is_in
    assert await _places(f"{newcomer}@{domain}") == []


async def test_a_second_factor_is_asked_for_in_the_same_browser(
    hub: GitHub, alice: Person, open_window: Any
) -> None:
    login, _ = _new()
    _knows(hub, login, (alice.actor.email, True, True))
    async with database().system() as tx:
        mine = update(User).where(col(User.id) == alice.actor.user_id)
        await tx.execute(mine.values(email_verified_at=utcnow(), password_hash=password_hash()))
    begun = (await alice.client.post("/auth/second-factor/totp", json={"password": PASSWORD})).json()
    confirmed = {"code": TOTP(begun["secret"]).now()}
    codes = (await alice.client.post("/auth/second-factor/totp/confirm", json=confirmed)).json()
    window, thief = open_window(), open_window()
    place = await _with_github(window, hub, login, next="/runs?x=1")
    way, _, step = place.partition("#second=")
    assert way == "/login?next=%2Fruns%3Fx%3D1"
    assert not window.is_in
    asked = json.loads(base64.urlsafe_b64decode(step + "=" * (-len(step) % 4)))
    assert asked["methods"] == ["totp", "recovery_code"]
    given = {"challenge": asked["challenge"], "code": codes["codes"][0]}
    path = "/api/v1/auth/login/second-factor?session=page"
    assert (await thief.app.post(path, json=given)).json()["error"]["code"] == "CHALLENGE_EXPIRED"
    assert (await window.app.post(path, json=given)).status_code == 200
    assert window.is_in
    query = select(col(AuditLog.details)).where(col(AuditLog.action) == "user.signed_in")
    async with database().transaction(alice.actor) as tx:
        assert "social+recovery_code" in [each["method"] for each in (await tx.execute(query)).scalars()]
        link = select(col(AuditLog.details)).where(col(AuditLog.action) == "user.sign_in_provider_linked")
        assert (await tx.execute(link)).scalars().all() == [{"provider": "github"}]


async def test_what_is_not_set_up_is_no_door(
    open_window: Any, monkeypatch: pytest.MonkeyPatch, anonymous: httpx.AsyncClient
) -> None:
    assert clients.offered() == ["google", "github"]
    monkeypatch.setattr(current_settings(), "github_client_id", "")
    assert clients.offered() == ["google"]
    assert await open_window().start(provider="github") == "/login?problem=SSO_NOT_FOUND"
    assert (await anonymous.get("/auth/sso/start", params={"provider": "evil"})).status_code == 422


def test_half_a_client_stops_the_start() -> None:
    with pytest.raises(ValidationError, match="AGENTFLOW_GITHUB_CLIENT_SECRET"):
        Settings(github_client_id="x")
    with pytest.raises(ValidationError, match="is no address"):
        Settings(github_url="github.example.com")


@pytest.mark.parametrize(
    ("home", "api"),
    [
        ("https://github.com", "https://api.github.com"),
        ("https://octo.ghe.com", "https://api.octo.ghe.com"),
        ("https://git.example.com", "https://git.example.com/api/v3"),
    ],
)
def test_where_the_api_is(home: str, api: str) -> None:
    assert _api(home) == api
