"""The authenticator app, recovery codes, passkeys: each code once, in the browser that began, few tries."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pyotp
import pytest
from sqlalchemy import text, update
from sqlmodel import col

from agentflow_app.accounts import second_factor
from agentflow_app.accounts.authentication import authenticate
from agentflow_app.accounts.challenges import ATTEMPTS
from agentflow_app.accounts.models import LoginChallenge
from agentflow_app.accounts.recovery import operator_reset_link
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import database
from agentflow_app.core.tenancy import SecondFactorNeeded
from tests.accounts.authenticator import Authenticator
from tests.accounts.conftest import Browser, audited, letters_to, stored
from tests.actors import PASSWORD, Person

OpenBrowser = Callable[[Person], Browser]
ORIGIN = "http://localhost:3000"


class Clock:
    """The time of the codes, which the tests move."""

    def __init__(self) -> None:
        self.moment = utcnow()

    def __call__(self) -> datetime:
        return self.moment

    def step(self, count: int = 1) -> None:
        self.moment += timedelta(seconds=30 * count)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock()
    monkeypatch.setattr(second_factor, "utcnow", moved)
    return moved


def _code(secret: str, clock: Clock, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(clock.moment + timedelta(seconds=30 * steps))


async def enrolled(browser: Browser, clock: Clock) -> tuple[str, list[str]]:
    """The app's secret and the recovery codes."""
    await browser.log_in()
    begun = await browser.call("POST", "/second-factor/totp", password=PASSWORD)
    assert begun.status_code == 200, begun.text
    secret: str = begun.json()["secret"]
    done = await browser.call("POST", "/second-factor/totp/confirm", code=_code(secret, clock))
    assert done.status_code == 200, done.text
    clock.step()
    return secret, done.json()["codes"]


async def test_an_app_is_set_up_and_then_asked_for(
    alice: Person, open_browser: OpenBrowser, clock: Clock, post_office: None
) -> None:
    mine, other = open_browser(alice), open_browser(alice)
    await other.log_in()
    await mine.log_in()
    refused = await mine.call("POST", "/second-factor/totp", password="not the one")
    assert refused.status_code == 422
    begun = (await mine.call("POST", "/second-factor/totp", password=PASSWORD)).json()
    assert begun["uri"].startswith("otpauth://totp/AgentFlow:")
    assert begun["qr_svg"].startswith("<svg")
    assert (await other.log_in()).status_code == 200  # not asked for before it is confirmed
    wrong = await mine.call("POST", "/second-factor/totp/confirm", code="000000")
    assert list(wrong.json()["error"]["details"]["fields"]) == ["code"]
    done = await mine.call("POST", "/second-factor/totp/confirm", code=_code(begun["secret"], clock))
    assert len(done.json()["codes"]) == 10
    assert (await other.call("GET", "/profile")).status_code == 401
    assert (await mine.call("POST", "/second-factor/totp", password=PASSWORD)).status_code == 409
    shown = (await mine.call("GET", "/second-factor")).json()
    assert shown["totp_since"]
    assert shown["recovery_codes_left"] == 10
    first = await other.log_in()
    assert (first.status_code, first.json()["error"]["code"]) == (401, "SECOND_FACTOR_REQUIRED")
    assert first.json()["error"]["details"]["methods"] == ["totp", "recovery_code"]
    assert "access_token" not in first.text
    clock.step()
    code = _code(begun["secret"], clock)
    assert (await other.second_step(first, code=f"{code[:3]} {code[3:]}")).status_code == 200
    assert (await other.call("GET", "/me")).status_code == 200
    assert "authenticator app was set up" in (await letters_to(alice.actor.email))[-1]["text"]
    assert "user.second_factor_on" in await audited(alice)
    async with database().system() as tx:
        kept = (await tx.execute(text("SELECT encode(secret, 'escape') FROM totp_factors"))).scalars().all()
    assert not any(begun["secret"] in each for each in kept)


@pytest.mark.parametrize(("steps", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
async def test_a_clock_may_be_off_by_one_step(
    alice: Person, open_browser: OpenBrowser, clock: Clock, steps: int, good: bool
) -> None:
    mine = open_browser(alice)
    secret, _ = await enrolled(mine, clock)
    clock.step(5)
    first = await mine.log_in()
    answer = await mine.second_step(first, code=_code(secret, clock, steps))
    assert answer.status_code == (200 if good else 401)


async def test_no_code_works_twice_also_at_the_same_time(
    alice: Person, open_browser: OpenBrowser, clock: Clock
) -> None:
    mine, thief = open_browser(alice), open_browser(alice)
    secret, recovery = await enrolled(mine, clock)
    for code in (_code(secret, clock), recovery[0], recovery[1].upper().replace("-", "")):
        begun = [(each, await each.log_in()) for each in (mine, thief)]
        both = await asyncio.gather(*(each.second_step(first, code=code) for each, first in begun))
        assert sorted(answer.status_code for answer in both) == [200, 401]
        assert (await thief.second_step(await thief.log_in(), code=code)).json()["error"][
            "code"
        ] == "INVALID_CODE"
    earlier = _code(secret, clock, -1)
    assert (await mine.second_step(await mine.log_in(), code=earlier)).status_code == 401
    assert "user.sign_in_failed" in await audited(alice)


async def test_a_challenge_is_of_its_browser_its_time_and_few_attempts(
    alice: Person, open_browser: OpenBrowser, clock: Clock
) -> None:
    mine, thief = open_browser(alice), open_browser(alice)
    secret, _ = await enrolled(mine, clock)
    first = await mine.log_in()
    for stolen in (
        await thief.second_step(first, code=_code(secret, clock)),
        await _with_own(thief, first, secret, clock),
    ):
        assert (stolen.status_code, stolen.json()["error"]["code"]) == (401, "CHALLENGE_EXPIRED")
    for _ in range(ATTEMPTS):
        assert (await mine.second_step(first, code="000000")).json()["error"]["code"] == "INVALID_CODE"
    worn = await mine.second_step(first, code=_code(secret, clock))
    assert worn.json()["error"]["code"] == "CHALLENGE_EXPIRED"
    late = await mine.log_in()
    async with database().system() as tx:
        await tx.execute(
            update(LoginChallenge)
            .where(col(LoginChallenge.user_id) == alice.actor.user_id)
            .values(expires_at=utcnow() - timedelta(seconds=1))
        )
    assert (await mine.second_step(late, code=_code(secret, clock))).status_code == 401
    again = await mine.log_in()
    assert (await mine.second_step(again, code=_code(secret, clock))).status_code == 200
    assert (await mine.second_step(again, code=_code(secret, clock, 1))).json()["error"]["code"] == (
        "CHALLENGE_EXPIRED"
    )


async def test_a_login_begun_with_the_old_password_is_not_finished_after_a_reset(
    alice: Person, open_browser: OpenBrowser, clock: Clock
) -> None:
    mine, thief = open_browser(alice), open_browser(alice)
    secret, _ = await enrolled(mine, clock)
    begun = await thief.log_in()
    token = (await operator_reset_link(alice.actor.email)).rpartition("#")[2]
    body = {"token": token, "password": "a new and better one"}
    assert (await mine.client.post("/auth/password/reset", json=body)).status_code == 204
    late = await thief.second_step(begun, code=_code(secret, clock))
    assert late.json()["error"]["code"] == "CHALLENGE_EXPIRED"


async def _with_own(thief: Browser, first: Any, secret: str, clock: Clock) -> Any:
    """With a cookie of a challenge of the thief's own."""
    await thief.log_in()
    return await thief.second_step(first, code=_code(secret, clock))


async def test_guessing_pauses_the_app_and_leaves_the_recovery_codes(
    alice: Person, open_browser: OpenBrowser, clock: Clock
) -> None:
    mine = open_browser(alice)
    secret, recovery = await enrolled(mine, clock)
    for _ in range(second_factor.FAILURES // ATTEMPTS):
        first = await mine.log_in()
        for _ in range(ATTEMPTS):
            await mine.second_step(first, code="000000")
    paused = await mine.log_in()
    assert (await mine.second_step(paused, code=_code(secret, clock))).status_code == 401
    assert (await mine.second_step(paused, code=recovery[0])).status_code == 200
    clock.moment += second_factor.PAUSE
    assert (await mine.second_step(await mine.log_in(), code=_code(secret, clock))).status_code == 200


async def test_it_is_turned_off_with_the_password_and_a_code(
    alice: Person, open_browser: OpenBrowser, clock: Clock
) -> None:
    mine = open_browser(alice)
    secret, recovery = await enrolled(mine, clock)
    path = "/second-factor/totp/disable"
    assert (await mine.call("POST", path, password="wrong one", code=_code(secret, clock))).status_code == 422
    assert (await mine.call("POST", path, password=PASSWORD, code="000000")).status_code == 422
    renewed = await mine.call("POST", "/second-factor/recovery-codes", password=PASSWORD)
    assert set(renewed.json()["codes"]).isdisjoint(recovery)
    assert (await mine.call("POST", path, password=PASSWORD, code=recovery[0])).status_code == 422
    assert (await mine.call("POST", path, password=PASSWORD, code=_code(secret, clock))).status_code == 204
    assert (await mine.log_in()).status_code == 200
    assert (await mine.call("GET", "/second-factor")).json() == {"totp_since": None, "recovery_codes_left": 0}
    assert (await stored(alice)).second_factor_at is None


async def _passkey(browser: Browser, device: Authenticator, name: str = "Phone") -> Any:
    asked = (await browser.call("POST", "/passkeys/begin", password=PASSWORD)).json()
    made = {"challenge": asked["challenge"], "credential": device.create(asked["options"]), "name": name}
    return await browser.call("POST", "/passkeys", **made)


async def _enter(browser: Browser, device: Authenticator) -> Any:
    asked = (await browser.client.post("/auth/passkey/begin")).json()
    body = {"challenge": asked["challenge"], "credential": device.get(asked["options"])}
    return await browser.client.post("/auth/passkey", json=body)


async def test_a_passkey_logs_in_by_itself_and_as_the_second_step(
    alice: Person, open_browser: OpenBrowser
) -> None:
    mine, other, device = open_browser(alice), open_browser(alice), Authenticator(ORIGIN)
    await mine.log_in()
    added = await _passkey(mine, device)
    assert added.status_code == 201, added.text
    recovery = added.json()["recovery_codes"]
    assert len(recovery) == 10
    assert (await other.second_step(await other.log_in(), code=recovery[0])).status_code == 200
    assert (await _passkey(mine, device)).status_code == 422  # the same one again
    entered = await _enter(other, device)
    assert (entered.status_code, entered.json()["user"]["email"]) == (200, alice.actor.email)
    first = await other.log_in()
    details = first.json()["error"]["details"]
    assert details["methods"] == ["passkey", "recovery_code"]
    signed = device.get(details["passkey"])
    assert (await other.second_step(first, credential=signed)).status_code == 200
    assert (await other.second_step(await other.log_in(), credential=signed)).status_code == 401
    listed = (await mine.call("GET", "/passkeys")).json()["data"]
    assert [each["name"] for each in listed] == ["Phone"]
    path = f"/passkeys/{listed[0]['id']}"
    assert (await mine.call("PUT", path, name="Laptop")).json()["name"] == "Laptop"
    assert (await mine.call("DELETE", path, password="wrong one")).status_code == 422
    assert (await mine.call("DELETE", path, password=PASSWORD)).status_code == 204
    assert (await _enter(other, device)).json()["error"]["code"] == "PASSKEY_REFUSED"
    assert (await mine.log_in()).status_code == 200
    assert {"user.passkey_added", "user.passkey_renamed", "user.passkey_removed"} <= set(await audited(alice))


@pytest.mark.parametrize(
    "change", [{"origin": "http://evil.example"}, {"site": "evil.example"}, {"verified": False}]
)
async def test_a_passkey_for_another_site_or_without_its_owner_is_refused(
    alice: Person, open_browser: OpenBrowser, change: dict[str, Any]
) -> None:
    mine, device = open_browser(alice), Authenticator(ORIGIN)
    await mine.log_in()
    for name, value in change.items():
        setattr(device, name, value)
    assert (await _passkey(mine, device)).status_code == 422
    good = Authenticator(ORIGIN)
    assert (await _passkey(mine, good)).status_code == 201
    for name, value in change.items():
        setattr(good, name, value)
    assert (await _enter(mine, good)).json()["error"]["code"] == "PASSKEY_REFUSED"


async def test_a_passkeys_answer_serves_one_moment_one_browser_and_one_person(
    alice: Person, bob: Person, open_browser: OpenBrowser
) -> None:
    hers, his, device = open_browser(alice), open_browser(bob), Authenticator(ORIGIN)
    await hers.log_in()
    await his.log_in()
    await _passkey(hers, device)
    own = Authenticator(ORIGIN)
    assert (await _passkey(his, own)).status_code == 201
    asked = (await hers.client.post("/auth/passkey/begin")).json()
    body = {"challenge": asked["challenge"], "credential": device.get(asked["options"])}
    assert (await his.client.post("/auth/passkey", json=body)).json()["error"]["code"] == "CHALLENGE_EXPIRED"
    assert (await hers.client.post("/auth/passkey", json=body)).status_code == 200
    assert (await hers.client.post("/auth/passkey", json=body)).status_code == 401
    first = await his.log_in()
    borrowed = device.get(first.json()["error"]["details"]["passkey"])
    assert (await his.second_step(first, credential=borrowed)).json()["error"]["code"] == "PASSKEY_REFUSED"
    begun = (await hers.call("POST", "/passkeys/begin", password=PASSWORD)).json()
    another = Authenticator(ORIGIN)
    made = {"challenge": begun["challenge"], "credential": another.create(begun["options"]), "name": "x"}
    assert (await his.call("POST", "/passkeys", **made)).status_code == 422
    device.count = 0  # a copy of the key falls behind the original
    assert (await _enter(hers, device)).status_code == 401


@pytest.mark.parametrize(
    "credential", [{}, {"rawId": 5}, {"rawId": "%%%"}, {"rawId": "AAAA", "response": []}]
)
async def test_what_is_no_passkey_at_all_is_refused(
    alice: Person, open_browser: OpenBrowser, credential: dict[str, Any]
) -> None:
    mine = open_browser(alice)
    await mine.log_in()
    asked = (await mine.client.post("/auth/passkey/begin")).json()
    body = {"challenge": asked["challenge"], "credential": credential}
    assert (await mine.client.post("/auth/passkey", json=body)).json()["error"]["code"] == "PASSKEY_REFUSED"
    begun = (await mine.call("POST", "/passkeys/begin", password=PASSWORD)).json()
    made = {"challenge": begun["challenge"], "credential": credential, "name": "x"}
    assert (await mine.call("POST", "/passkeys", **made)).status_code == 422


async def test_an_organization_demands_a_second_factor(
    alice: Person, bob: Person, open_browser: OpenBrowser, clock: Clock
) -> None:
    mine = open_browser(bob)
    await mine.log_in()
    demanded = await alice.client.put("/org", json={"settings": {"require_second_factor": True}})
    assert demanded.status_code == 200, demanded.text
    refused = await bob.client.get("/agents")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "SECOND_FACTOR_NEEDED")
    with pytest.raises(SecondFactorNeeded):
        (await authenticate(mine.token)).require("agents:read")
    await enrolled(mine, clock)
    assert (
        await mine.client.get("/agents", headers={"Authorization": f"Bearer {mine.token}"})
    ).status_code == 200
