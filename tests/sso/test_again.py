"""A fresh sign-in at a provider as a proof that it is really them, and all that must not pass for one."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select
from sqlmodel import col

from agentflow_app.accounts.models import User
from agentflow_app.accounts.sessions import SESSION_COOKIE, actor_for_session
from agentflow_app.accounts.tokens import issue_access_token
from agentflow_app.core.database import database
from agentflow_app.sso import again
from agentflow_app.sso.models import SocialIdentity
from tests.sso.test_sign_in import Company, company  # noqa: F401  # a fixture
from tests.sso.test_social import _knows, _new, _with_github
from tests.support.github import GitHub
from tests.support.identity_provider import IdentityProvider
from tests.support.window import Window


@pytest.fixture
async def rest(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost/api/v1") as client:
        yield client


class Me:
    """Whoever is in that window, over REST in the same session."""

    def __init__(self, window: Window, rest: httpx.AsyncClient) -> None:
        self.window, self.rest = window, rest

    async def token(self) -> str:
        actor = await actor_for_session(self.window.app.cookies[SESSION_COOKIE])
        assert actor
        assert actor.user_id
        return issue_access_token(actor.user_id, actor.org_id, actor.session_id)

    async def call(self, method: str, path: str, **body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {await self.token()}"}
        return await self.rest.request(method, f"/auth{path}", json=body, headers=headers)

    async def proved(self) -> bool:
        return (await self.call("GET", "/proof")).json()["proved_until"] is not None


async def test_who_came_by_sso_proves_it_there_and_secures_the_account(
    company: Company,  # noqa: F811
    open_window: Any,
    rest: httpx.AsyncClient,
) -> None:
    window, subject = open_window(), company.knows("ada")
    await window.sign_in(subject, connection=company.id)
    me = Me(window, rest)
    shown = (await me.call("GET", "/proof")).json()
    assert (shown["password"], [each["name"] for each in shown["providers"]]) == (False, ["Provider"])
    assert (await me.call("POST", "/second-factor/totp")).json()["error"]["code"] == "PROOF_NEEDED"
    # The window's provider session is still good: without a new sign-in there it proves nothing.
    url = await window.start(prove="true", connection=company.id, next="/settings/security?ask=totp")
    asked = parse_qs(urlsplit(url).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    assert await window.back(await window.at_provider(url, subject)) == "/settings/security?ask=totp"
    assert await me.proved()
    assert (await me.call("POST", "/second-factor/totp")).status_code == 200
    (identity,) = (await me.call("GET", "/identities")).json()["data"]
    last = await me.call("DELETE", f"/identities/{identity['id']}")
    assert (last.status_code, last.json()["error"]["code"]) == (409, "LAST_WAY_IN")
    assert (await me.call("POST", "/password", new_password="a good password")).status_code == 204
    assert (await me.call("DELETE", f"/identities/{identity['id']}")).status_code == 204
    assert (await me.call("GET", "/identities")).json()["data"] == []


async def test_a_sign_in_of_before_is_no_proof(
    company: Company,  # noqa: F811
    open_window: Any,
    rest: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window, subject = open_window(), company.knows("ada")
    await window.sign_in(subject, connection=company.id)
    me = Me(window, rest)
    began: dict[str, Any] = {"prove": "true", "connection": company.id, "next": "/settings/security"}
    refused = "/settings/security?problem=SSO_NOT_FRESH"
    # A thief of the browser leaves out what asks for a new sign-in: the provider lets its own session count.
    silent = httpx.URL(await window.start(**began)).copy_remove_param("prompt").copy_remove_param("max_age")
    assert await window.back(await window.at_provider(str(silent), subject)) == refused
    patient = httpx.URL(await window.start(**began)).copy_remove_param("prompt")
    patient = patient.copy_set_param("max_age", "9999")
    # As if that sign-in had been long before this proof began.
    monkeypatch.setattr(again, "LEEWAY_SECONDS", -3600)
    assert await window.back(await window.at_provider(str(patient), subject)) == refused
    assert not await me.proved()


async def test_somebody_else_proves_nothing(
    company: Company,  # noqa: F811
    open_window: Any,
    rest: httpx.AsyncClient,
) -> None:
    window, thief = open_window(), open_window()
    await window.sign_in(company.knows("ada"), connection=company.id)
    await thief.sign_in(company.knows("eve"), connection=company.id)
    me = Me(window, rest)
    url = await window.start(prove="true", connection=company.id, next="/settings/security")
    assert await window.back(await thief.at_provider(url, company.knows("eve"))) == (
        "/settings/security?problem=SSO_SOMEBODY_ELSE"
    )
    # Ada follows a link that the thief of her session began: in her browser it leads nowhere.
    thief.app.cookies.update(window.app.cookies)
    stolen = await thief.start(prove="true", connection=company.id, next="/settings/security")
    answer = await window.at_provider(stolen, company.knows("ada"))
    assert "SSO_EXPIRED" in await window.back(answer)
    assert not await me.proved()


async def test_it_is_of_the_session_that_began_and_of_a_provider_that_knows_them(
    company: Company,  # noqa: F811
    open_window: Any,
    rest: httpx.AsyncClient,
) -> None:
    window, other, stranger = open_window(), open_window(), open_window()
    subject = company.knows("ada")
    for each in (window, other):
        await each.sign_in(subject, connection=company.id)
    began = {"prove": "true", "connection": company.id, "next": "/settings/security"}
    assert await stranger.start(**began) == "/settings/security?problem=UNAUTHENTICATED"
    assert "problem=SSO_NOT_FOUND" in await window.start(prove="true", provider="github", next="/")
    await window.back(await window.at_provider(await window.start(**began), subject))
    assert await Me(window, rest).proved()
    assert not await Me(other, rest).proved()


async def test_github_proves_by_a_round_trip(
    public: None, hub: GitHub, open_window: Any, rest: httpx.AsyncClient
) -> None:
    login, email = _new()
    _knows(hub, login, (email, True, True))
    window = open_window()
    await _with_github(window, hub, login)
    me = Me(window, rest)
    url = await window.start(prove="true", provider="github", next="/settings/security")
    assert parse_qs(urlsplit(url).query)["prompt"] == ["select_account"]
    other, address = _new()
    _knows(hub, other, (address, True, True))
    assert "SSO_SOMEBODY_ELSE" in await window.back(hub.authorize(url, other))
    async with database().system() as tx:
        made = await tx.execute(select(func.count()).select_from(User).where(col(User.email) == address))
        assert made.scalar_one() == 0
    # Over REST: the answer's cookie says which browser may come back.
    began = await me.call("POST", "/proof/provider", provider="github", next="/settings/profile")
    window.app.cookies.update(rest.cookies)
    assert await window.back(hub.authorize(began.json()["url"], login)) == "/settings/profile"
    assert await me.proved()
    (identity,) = (await me.call("GET", "/identities")).json()["data"]
    assert (identity["kind"], identity["usable"]) == ("github", True)
    last = await me.call("DELETE", f"/identities/{identity['id']}")
    assert last.json()["error"]["code"] == "LAST_WAY_IN"
    assert (await me.call("DELETE", "/account", confirm=email)).json()["error"]["code"] == "ONLY_OWNER"


async def test_google_proves_by_a_round_trip(
    public: None, idp: IdentityProvider, open_window: Any, rest: httpx.AsyncClient
) -> None:
    name, email = _new()
    idp.knows(**{name: {"email": email, "email_verified": True}})
    window = open_window()
    await window.back(await window.at_provider(await window.start(provider="google"), name))
    url = await window.start(prove="true", provider="google", next="/settings/security")
    assert await window.back(await window.at_provider(url, name)) == "/settings/security"
    assert await Me(window, rest).proved()
    async with database().system() as tx:
        rows = await tx.execute(select(col(SocialIdentity.issuer)).where(col(SocialIdentity.subject) == name))
        assert rows.scalars().all() == [idp.issuer]
