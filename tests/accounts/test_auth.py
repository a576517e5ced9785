"""Sign up, log in, refresh, log out, me."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, update
from sqlmodel import col

from agentflow_app.accounts.models import ApiKey, PageSession, RefreshToken, User
from agentflow_app.accounts.sessions import (
    REFRESH_COOKIE,
    SESSION_COOKIE,
    actor_for_session,
    session_cookie,
    sweep_sessions,
)
from agentflow_app.accounts.tokens import digest, issue_access_token, new_secret, read_access_token
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.core.settings import Settings
from agentflow_app.organizations.deletion import set_standing
from tests.actors import PASSWORD, Person, unique_email


def _account(**changes: object) -> dict[str, object]:
    account = {
        "email": unique_email("carol"),
        "password": PASSWORD,
        "name": "Carol",
        "org_name": "Carol & Co",
    }
    return account | changes


async def test_sign_up_makes_the_owner_of_an_organization(anonymous: httpx.AsyncClient) -> None:
    account = _account()
    answer = await anonymous.post("/auth/signup", json=account)
    body = answer.json()
    assert answer.status_code == 201
    assert (body["token_type"], body["expires_in"], body["role"]) == ("bearer", 900, "owner")
    assert body["user"]["email"] == account["email"]
    assert body["org"]["name"] == "Carol & Co"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{REFRESH_COOKIE}=")
    for part in ("HttpOnly", "SameSite=strict", "Path=/api/v1/auth"):
        assert part in cookie
    me = await anonymous.get("/auth/me", headers={"Authorization": f"Bearer {body['access_token']}"})
    assert me.json()["org"]["id"] == body["org"]["id"]
    assert "agents:delete" in me.json()["permissions"]


async def test_a_new_organization_has_the_sample_agent_and_a_run_of_it(anonymous: httpx.AsyncClient) -> None:
    token = (await anonymous.post("/auth/signup", json=_account())).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    agents = (await anonymous.get("/agents", headers=headers)).json()["data"]
    runs = (await anonymous.get("/executions", headers=headers)).json()["data"]
    assert [(agent["name"], agent["status"]) for agent in agents] == [("Lead router", "active")]
    assert [run["agent_id"] for run in runs] == [agents[0]["id"]]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "a@b\x00.example"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": " " * 12}, "password"),
        ({"name": "  "}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"org_name": ""}, "org_name"),
        ({"role": "owner"}, "role"),
        ({"org_id": str(new_id())}, "org_id"),
    ],
)
async def test_bad_sign_ups_name_the_field(
    anonymous: httpx.AsyncClient, change: dict[str, str], field: str
) -> None:
    answer = await anonymous.post("/auth/signup", json=_account(**change))
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"
    assert list(answer.json()["error"]["details"]["fields"]) == [field]


async def test_an_address_signs_up_once_whatever_its_case(anonymous: httpx.AsyncClient) -> None:
    account = _account()
    await anonymous.post("/auth/signup", json=account)
    again = await anonymous.post("/auth/signup", json=account | {"email": str(account["email"]).upper()})
    assert again.status_code == 409
    assert again.json()["error"]["code"] == "EMAIL_TAKEN"


async def test_log_in(alice: Person, anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.post(
        "/auth/login", json={"email": alice.actor.email.upper(), "password": PASSWORD}
    )
    assert answer.status_code == 200
    assert answer.json()["org"]["id"] == str(alice.org_id)


async def test_a_wrong_password_looks_like_an_unknown_address(
    alice: Person, anonymous: httpx.AsyncClient
) -> None:
    wrong = await anonymous.post(
        "/auth/login", json={"email": alice.actor.email, "password": "not it at all"}
    )
    unknown = await anonymous.post(
        "/auth/login", json={"email": unique_email("nobody"), "password": "not it at all"}
    )
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert wrong.json()["error"]["code"] == "INVALID_CREDENTIALS"


async def test_a_deactivated_person_is_out_at_once(alice: Person, anonymous: httpx.AsyncClient) -> None:
    login = {"email": alice.actor.email, "password": PASSWORD}
    await _as_owner(update(User).where(col(User.id) == alice.actor.user_id).values(is_active=False))
    assert (await anonymous.post("/auth/login", json=login)).status_code == 401
    assert (await alice.client.get("/auth/me")).status_code == 401


async def _as_owner(statement: object) -> None:
    from agentflow_app.core.migrations import owner_connection
    from agentflow_app.core.settings import settings

    with owner_connection(settings()) as connection:
        connection.execute(statement)  # type: ignore[call-overload]
        connection.commit()


async def test_refresh_rotates_and_reuse_ends_the_family(anonymous: httpx.AsyncClient) -> None:
    await anonymous.post("/auth/signup", json=_account())
    first = anonymous.cookies[REFRESH_COOKIE]
    assert (await anonymous.post("/auth/refresh")).status_code == 200
    second = anonymous.cookies[REFRESH_COOKIE]
    assert second != first
    await _used_a_minute_ago(first)
    anonymous.cookies.set(REFRESH_COOKIE, first, path="/api/v1/auth")
    stolen = await anonymous.post("/auth/refresh", headers={"Cookie": f"{REFRESH_COOKIE}={first}"})
    assert stolen.status_code == 401
    assert stolen.json()["error"]["code"] == "SESSION_EXPIRED"
    anonymous.cookies.clear()
    after = await anonymous.post("/auth/refresh", headers={"Cookie": f"{REFRESH_COOKIE}={second}"})
    assert after.status_code == 401


async def _used_a_minute_ago(secret: str) -> None:
    async with database().system() as tx:
        await tx.execute(
            update(RefreshToken)
            .where(col(RefreshToken.token_hash) == digest(secret))
            .values(used_at=utcnow() - timedelta(minutes=1))
        )


async def test_two_tabs_that_refresh_at_once_get_along(anonymous: httpx.AsyncClient) -> None:
    await anonymous.post("/auth/signup", json=_account())
    cookie = {"Cookie": f"{REFRESH_COOKIE}={anonymous.cookies[REFRESH_COOKIE]}"}
    anonymous.cookies.clear()
    answers = [await anonymous.post("/auth/refresh", headers=cookie) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]


async def test_log_out_ends_the_refresh_token(anonymous: httpx.AsyncClient) -> None:
    await anonymous.post("/auth/signup", json=_account())
    cookie = {"Cookie": f"{REFRESH_COOKIE}={anonymous.cookies[REFRESH_COOKIE]}"}
    assert (await anonymous.post("/auth/logout")).status_code == 204
    assert REFRESH_COOKIE not in anonymous.cookies
    assert (await anonymous.post("/auth/refresh", headers=cookie)).status_code == 401


async def test_the_page_session_serves_the_pages_and_never_the_api(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.post("/auth/signup?session=page", json=_account())
    secret = anonymous.cookies[SESSION_COOKIE]
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=lax" in answer.headers["set-cookie"]
    actor = await actor_for_session(secret)
    assert actor is not None
    assert str(actor.org_id) == answer.json()["org"]["id"]
    assert (await anonymous.get("/auth/me")).status_code == 401
    await anonymous.post("/auth/logout")
    assert await actor_for_session(secret) is None


async def test_an_expired_page_session_is_nobody(anonymous: httpx.AsyncClient) -> None:
    await anonymous.post("/auth/signup?session=page", json=_account())
    secret = anonymous.cookies[SESSION_COOKIE]
    async with database().system() as tx:
        await tx.execute(
            update(PageSession)
            .where(col(PageSession.token_hash) == digest(secret))
            .values(expires_at=utcnow() - timedelta(seconds=1))
        )
    assert await actor_for_session(secret) is None
    await sweep_sessions()
    async with database().system() as tx:
        left = await tx.execute(select(PageSession).where(col(PageSession.token_hash) == digest(secret)))
        assert left.scalar_one_or_none() is None


@pytest.mark.parametrize("secret", [None, "", "unknown"])
async def test_no_session_is_nobody(api: object, secret: str | None) -> None:
    assert await actor_for_session(secret) is None


def test_the_session_is_found_among_other_cookies() -> None:
    assert session_cookie("a=1; agentflow_session=plain") == "plain"
    assert session_cookie("agentflow_session=plain; __Host-agentflow_session=secure") == "secure"
    assert session_cookie("a=1") is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer not.a.token"},
        {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."},
        {"X-API-Key": "af_unknown"},
        {"Authorization": "Bearer af_unknown"},
    ],
)
async def test_bad_credentials_are_401_in_the_same_words(
    anonymous: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await anonymous.post("/agents", headers=headers, content=b"{not json")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "UNAUTHENTICATED"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_tokens_of_another_key_or_kind_are_refused(settings: object) -> None:
    from joserfc import jwt
    from joserfc.jwk import OctKey

    user, org = new_id(), new_id()
    good = issue_access_token(user, org)
    claims = read_access_token(good)
    assert claims is not None
    assert (claims.user_id, claims.org_id) == (user, org)
    foreign = jwt.encode(
        {"alg": "HS256", "typ": "at+jwt"},
        {"iss": "agentflow", "sub": str(user), "org": str(org), "exp": 4_000_000_000},
        OctKey.import_key("another key of another server, long enough"),
    )
    assert read_access_token(foreign) is None
    head, body, _ = good.split(".")
    assert read_access_token(f"{head}.{body}.") is None


async def test_an_api_key_acts_within_its_scopes(alice: Person, anonymous: httpx.AsyncClient) -> None:
    secret = await _api_key(alice, ["agents:read"])
    headers = {"X-API-Key": secret}
    assert (await anonymous.get("/agents", headers=headers)).status_code == 200
    made = await anonymous.post("/agents", headers=headers, json={"name": "No"})
    assert made.status_code == 403
    assert "agents:write" in made.json()["error"]["message"]
    assert (await anonymous.get("/agents", headers={"Authorization": f"Bearer {secret}"})).status_code == 200


async def test_an_expired_api_key_is_401(alice: Person, anonymous: httpx.AsyncClient) -> None:
    secret = await _api_key(alice, ["agents:read"], expired=True)
    assert (await anonymous.get("/agents", headers={"X-API-Key": secret})).status_code == 401


async def _api_key(person: Person, scopes: list[str], *, expired: bool = False) -> str:
    secret = new_secret("af_")
    assert person.actor.user_id is not None
    async with database().transaction(person.actor) as tx:
        tx.add(
            ApiKey(
                org_id=person.org_id,
                created_by=person.actor.user_id,
                name="key",
                key_hash=digest(secret),
                key_prefix=secret[:8],
                scopes=scopes,
                expires_at=utcnow() - timedelta(days=1) if expired else None,
            )
        )
    return secret


async def test_cookies_are_secure_behind_a_proxy_that_ends_tls(
    alice: Person, anonymous: httpx.AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = settings.model_copy(update={"public_url": "https://flow.example"})
    monkeypatch.setattr("agentflow_app.accounts.endpoints.settings", lambda: public)
    login = {"email": alice.actor.email, "password": PASSWORD}
    for query, name in (("", f"__Secure-{REFRESH_COOKIE}"), ("?session=page", f"__Host-{SESSION_COOKIE}")):
        cookie = (await anonymous.post(f"/auth/login{query}", json=login)).headers["set-cookie"]
        assert cookie.startswith(f"{name}=")
        assert "; Secure" in cookie


@pytest.mark.parametrize("path", ["/auth/login", "/auth/signup", "/auth/refresh", "/auth/logout"])
async def test_another_origins_page_cannot_use_or_set_a_login(
    anonymous: httpx.AsyncClient, path: str
) -> None:
    answer = await anonymous.post(path, json={}, headers={"Origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FOREIGN_ORIGIN")


@pytest.mark.parametrize("reason", ["suspended", "deactivated"])
async def test_who_is_shut_out_is_told_so_and_gets_no_organization_instead(
    anonymous: httpx.AsyncClient, alice: Person, bob: Person, reason: str
) -> None:
    if reason == "suspended":
        async with database().system() as tx:
            await set_standing(tx, alice.org_id, suspended=True)
    else:
        path = f"/org/members/{bob.actor.user_id}/status"
        assert (await alice.client.put(path, json={"status": "deactivated"})).is_success
    login = {"email": bob.actor.email, "password": PASSWORD}
    answer = await anonymous.post("/auth/login", json=login)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "SHUT_OUT")
    wrong = await anonymous.post("/auth/login", json=login | {"password": "wrong"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "INVALID_CREDENTIALS")
