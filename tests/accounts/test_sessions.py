"""Logins that are seen and ended: cookies, access tokens and sockets with them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from agentflow_app.accounts.active import browser_name
from agentflow_app.accounts.authentication import authenticate, ensure_still_in
from agentflow_app.accounts.sessions import SESSION_COOKIE, actor_for_session
from agentflow_app.core.errors import Unauthenticated
from agentflow_app.executions import stream
from tests.accounts.conftest import Browser, audited
from tests.actors import REVIEW, Person, published

OpenBrowser = Callable[[Person], Browser]


async def test_sessions_tell_where_one_is_logged_in(alice: Person, open_browser: OpenBrowser) -> None:
    api, page = open_browser(alice), open_browser(alice)
    await api.log_in()
    await page.log_in(session="page")
    found = (await api.call("GET", "/sessions")).json()["data"]
    assert {(each["kind"], each["current"], each["browser"]) for each in found} == {
        ("api", True, "Chrome on Linux"),
        ("browser", False, "Chrome on Linux"),
    }
    assert all(each["organization"] == "alice's" for each in found)
    renewed = await api.client.post("/auth/refresh")
    again = (await api.call("GET", "/sessions")).json()["data"]
    assert renewed.status_code == 200
    assert sorted(each["id"] for each in again) == sorted(each["id"] for each in found)


async def test_a_session_that_is_ended_is_out_at_once_with_its_tokens(
    alice: Person, open_browser: OpenBrowser
) -> None:
    mine, stolen, page = open_browser(alice), open_browser(alice), open_browser(alice)
    await mine.log_in()
    await stolen.log_in()
    await page.log_in(session="page")
    actor = await authenticate(stolen.token)
    for each in (await mine.call("GET", "/sessions")).json()["data"]:
        if not each["current"]:
            assert (await mine.call("DELETE", f"/sessions/{each['id']}")).status_code == 204
            assert (await mine.call("DELETE", f"/sessions/{each['id']}")).status_code == 404
    for ended in (stolen, page):
        assert (await ended.call("GET", "/profile")).status_code == 401
    assert (await stolen.client.post("/auth/refresh")).status_code == 401
    assert await actor_for_session(page.client.cookies[SESSION_COOKIE]) is None
    with pytest.raises(Unauthenticated):
        await ensure_still_in(actor)
    assert (await mine.call("GET", "/profile")).status_code == 200
    assert (await audited(alice)).count("user.session_revoked") == 2


async def test_nobody_ends_anothers_session(alice: Person, bob: Person, open_browser: OpenBrowser) -> None:
    hers, his = open_browser(alice), open_browser(bob)
    await hers.log_in()
    await his.log_in()
    (session,) = (await hers.call("GET", "/sessions")).json()["data"]
    refused = await his.call("DELETE", f"/sessions/{session['id']}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "SESSION_NOT_FOUND")
    assert (await hers.call("GET", "/profile")).status_code == 200


async def test_logging_out_everywhere_ends_every_token(alice: Person, open_browser: OpenBrowser) -> None:
    one, two = open_browser(alice), open_browser(alice)
    await one.log_in()
    await two.log_in(session="page")
    assert (await one.call("POST", "/logout-everywhere")).status_code == 204
    for token in (one.token, two.token, alice.token):
        with pytest.raises(Unauthenticated):
            await authenticate(token)
    assert (await one.client.post("/auth/refresh")).status_code == 401
    assert await actor_for_session(two.client.cookies[SESSION_COOKIE]) is None
    assert (await one.log_in()).status_code == 200
    assert (await one.call("GET", "/profile")).status_code == 200


async def test_logging_out_ends_the_access_token_too(alice: Person, open_browser: OpenBrowser) -> None:
    mine = open_browser(alice)
    await mine.log_in()
    await mine.client.post("/auth/logout")
    assert (await mine.call("GET", "/profile")).status_code == 401
    assert (await audited(alice))[-2:] == ["user.signed_in", "user.signed_out"]


async def test_who_watches_a_run_is_cut_off_when_the_login_ends(
    alice: Person, open_browser: OpenBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "RECHECK_SECONDS", 0.05)
    monkeypatch.setattr(stream, "PUT_OUT_SECONDS", 0.05)
    mine = open_browser(alice)
    await mine.log_in()
    watching = await authenticate(mine.token)
    agent = await published(alice, REVIEW)
    run = (await alice.client.post(f"/agents/{agent}/execute", json={})).json()["id"]

    async def drain(events: AsyncIterator[Any]) -> None:
        async for _ in events:
            pass

    tasks = [
        asyncio.create_task(drain(each)) for each in (stream.follow(watching, run), stream.watch(watching))
    ]
    ended, _ = await asyncio.wait(tasks, timeout=0.3)
    assert not ended
    await mine.client.post("/auth/logout")
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(outcome, Unauthenticated)


async def test_a_wrong_password_is_noted_where_there_is_an_account(
    alice: Person, open_browser: OpenBrowser
) -> None:
    mine = open_browser(alice)
    refused = await mine.log_in("not the password")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert (await audited(alice))[-1:] == ["user.sign_in_failed"]
    mine.email = "nobody@example.com"
    assert (await mine.log_in()).json() == refused.json()


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (None, "Unknown"),
        ("curl/8.5.0", "curl"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/17 Safari/605.1", "Safari on macOS"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140 Safari/537 Edg/140", "Edge on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox on Linux"),
    ],
)
def test_browsers_are_named(agent: str | None, name: str) -> None:
    assert browser_name(agent) == name
