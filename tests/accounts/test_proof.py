"""Proving again that it is really them: what counts, for which session, for how long, and what it opens."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, update
from sqlmodel import col

from agentflow_app.accounts import second_factor
from agentflow_app.accounts.challenges import ATTEMPTS
from agentflow_app.accounts.models import SessionProof, User
from agentflow_app.accounts.proof import sweep_proofs
from agentflow_app.accounts.tokens import issue_access_token
from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.sso.models import SocialIdentity
from tests.accounts.authenticator import Authenticator
from tests.accounts.conftest import Browser, audited, letters_to, stored
from tests.accounts.test_second_factor import ORIGIN, Clock, _code, enrolled
from tests.actors import PASSWORD, Person

OpenBrowser = Callable[[Person], Browser]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock()
    monkeypatch.setattr(second_factor, "utcnow", moved)
    return moved


async def _without_password(person: Person) -> None:
    async with database().system() as tx:
        gone = update(User).where(col(User.id) == person.actor.user_id)
        await tx.execute(gone.values(password_hash=None))


async def _linked(person: Person, issuer: str = "https://elsewhere.example") -> str:
    identity = new_id()
    async with database().system() as tx:
        tx.add(SocialIdentity(id=identity, user_id=person.actor.user_id, issuer=issuer, subject=identity.hex))
    return str(identity)


def _refused(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


async def _passkey(browser: Browser) -> tuple[Authenticator, str]:
    device = Authenticator(ORIGIN)
    begun = (await browser.call("POST", "/passkeys/begin", password=PASSWORD)).json()
    made = {"challenge": begun["challenge"], "credential": device.create(begun["options"]), "name": "Phone"}
    added = await browser.call("POST", "/passkeys", **made)
    assert added.status_code == 201, added.text
    return device, added.json()["id"]


async def test_without_a_proof_nothing_opens_and_with_it_everything(
    alice: Person, open_browser: OpenBrowser, clock: Clock
) -> None:
    mine = open_browser(alice)
    await mine.log_in()
    _, passkey = await _passkey(mine)
    wanted: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("POST", "/second-factor/totp", {"password": None}),
        ("POST", "/second-factor/recovery-codes", {"password": None}),
        ("POST", "/passkeys/begin", {"password": None}),
        ("DELETE", f"/passkeys/{passkey}", {"password": None}),
        ("POST", "/password", {"new_password": "another good one"}),
        ("DELETE", "/account", {"confirm": alice.actor.email}),
    )
    for method, path, body in wanted:
        _refused(await mine.call(method, path, **body), 403, "PROOF_NEEDED")
    shown = (await mine.call("GET", "/proof")).json()
    assert (shown["proved_until"], shown["password"], shown["passkey"], shown["totp"]) == (
        None,
        True,
        True,
        False,
    )
    wrong = await mine.call("POST", "/proof", password="not the one")
    assert list(wrong.json()["error"]["details"]["fields"]) == ["password"]
    proved = await mine.call("POST", "/proof", password=PASSWORD)
    assert proved.json()["proved_until"]
    for method, path, body in wanted[:-1]:
        answer = await mine.call(method, path, **body)
        assert answer.status_code in (200, 204), (path, answer.text)
    _refused(await mine.call("DELETE", "/account", confirm=alice.actor.email), 409, "ONLY_OWNER")
    told = await audited(alice)
    assert told.count("user.proof_failed") == 1
    assert told.count("user.proved") == 1


async def test_a_proof_is_of_one_session(alice: Person, bob: Person, open_browser: OpenBrowser) -> None:
    mine, stolen, his = open_browser(alice), open_browser(alice), open_browser(bob)
    for each in (mine, stolen, his):
        await each.log_in()
    await mine.call("POST", "/proof", password=PASSWORD)
    for other in (stolen, his):
        assert (await other.call("GET", "/proof")).json()["proved_until"] is None
        _refused(await other.call("POST", "/second-factor/totp", password=None), 403, "PROOF_NEEDED")
    assert (await mine.call("POST", "/second-factor/totp", password=None)).status_code == 200
    # Another person's access to the same session id, as only a forger could have it, is worth nothing either.
    sid = next(each["id"] for each in (await mine.call("GET", "/sessions")).json()["data"] if each["current"])
    assert bob.actor.user_id
    his.token = issue_access_token(bob.actor.user_id, bob.org_id, sid)
    _refused(await his.call("POST", "/second-factor/totp", password=None), 403, "PROOF_NEEDED")


async def test_a_proof_ends(alice: Person, open_browser: OpenBrowser) -> None:
    mine = open_browser(alice)
    await mine.log_in()
    await mine.call("POST", "/proof", password=PASSWORD)
    async with database().system() as tx:
        late = update(SessionProof).where(col(SessionProof.user_id) == alice.actor.user_id)
        await tx.execute(late.values(expires_at=func.now() - timedelta(seconds=1)))
    assert (await mine.call("GET", "/proof")).json()["proved_until"] is None
    _refused(await mine.call("POST", "/second-factor/totp", password=None), 403, "PROOF_NEEDED")
    await sweep_proofs()
    await mine.call("POST", "/proof", password=PASSWORD)
    await sweep_proofs()
    assert (await mine.call("POST", "/second-factor/totp", password=None)).status_code == 200


async def test_a_code_of_the_app_proves_once(alice: Person, open_browser: OpenBrowser, clock: Clock) -> None:
    mine = open_browser(alice)
    secret, recovery = await enrolled(mine, clock)
    assert (await mine.call("GET", "/proof")).json()["totp"]
    for bad in ("000000", recovery[0]):
        assert (await mine.call("POST", "/proof", code=bad)).status_code == 422
    code = _code(secret, clock)
    assert (await mine.call("POST", "/proof", code=code)).json()["proved_until"]
    assert (await mine.call("POST", "/proof", code=code)).status_code == 422
    await _without_password(alice)
    renewed = await mine.call("POST", "/second-factor/recovery-codes", password=None)
    assert len(renewed.json()["codes"]) == 10
    clock.step()
    off = await mine.call("POST", "/second-factor/totp/disable", code=_code(secret, clock))
    assert off.status_code == 204


async def test_a_passkey_proves_for_its_own_session_only(alice: Person, open_browser: OpenBrowser) -> None:
    mine, stolen = open_browser(alice), open_browser(alice)
    await mine.log_in()
    await stolen.log_in()
    _refused(await stolen.call("POST", "/proof/passkey"), 409, "NO_PASSKEY")
    device, _ = await _passkey(mine)
    await _without_password(alice)
    begun = (await mine.call("POST", "/proof/passkey")).json()
    signed = {"challenge": begun["challenge"], "credential": device.get(begun["options"])}
    _refused(await stolen.call("POST", "/proof", **signed), 401, "CHALLENGE_EXPIRED")
    assert (await mine.call("POST", "/proof", **signed)).json()["proved_until"]
    _refused(await mine.call("POST", "/proof", **signed), 401, "CHALLENGE_EXPIRED")
    assert (await stolen.call("GET", "/proof")).json()["proved_until"] is None
    foreign = Authenticator(ORIGIN)
    asked = (await stolen.call("POST", "/proof/passkey")).json()
    bad = {"challenge": asked["challenge"], "credential": foreign.get(asked["options"])}
    for _ in range(ATTEMPTS):
        _refused(await stolen.call("POST", "/proof", **bad), 401, "PASSKEY_REFUSED")
    right = {"challenge": asked["challenge"], "credential": device.get(asked["options"])}
    _refused(await stolen.call("POST", "/proof", **right), 401, "CHALLENGE_EXPIRED")
    # A challenge for proving lets nobody in, and one for logging in proves nothing.
    fresh = (await mine.call("POST", "/proof/passkey")).json()
    entry = {"challenge": fresh["challenge"], "credential": device.get(fresh["options"])}
    _refused(await mine.client.post("/auth/passkey", json=entry), 401, "CHALLENGE_EXPIRED")
    door = (await mine.client.post("/auth/passkey/begin")).json()
    other = {"challenge": door["challenge"], "credential": device.get(door["options"])}
    _refused(await mine.call("POST", "/proof", **other), 401, "CHALLENGE_EXPIRED")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"password": "x", "code": "000000"},
        {"challenge": "x"},
        {"credential": {}},
        {"password": "x", "challenge": "x"},
        {"code": "000000", "challenge": "x", "credential": {}},
    ],
)
async def test_one_way_at_a_time(alice: Person, body: dict[str, Any]) -> None:
    assert (await alice.client.post("/auth/proof", json=body)).status_code == 422


async def test_a_token_without_a_session_cannot_be_believed(alice: Person) -> None:
    assert alice.actor.user_id
    headers = {"Authorization": f"Bearer {issue_access_token(alice.actor.user_id, alice.org_id)}"}
    proved = await alice.client.post("/auth/proof", json={"password": PASSWORD}, headers=headers)
    _refused(proved, 403, "NO_SESSION")
    _refused(await alice.client.post("/auth/passkeys/begin", json={}, headers=headers), 403, "PROOF_NEEDED")


async def test_who_has_no_password_sets_one_after_a_proof(
    alice: Person, open_browser: OpenBrowser, post_office: None
) -> None:
    mine, other = open_browser(alice), open_browser(alice)
    await mine.log_in()
    await other.log_in()
    device, _ = await _passkey(mine)
    await _without_password(alice)
    new = {"new_password": "another good one"}
    _refused(await mine.call("POST", "/password", **new), 403, "PROOF_NEEDED")
    guess = await mine.call("POST", "/password", old_password="x", **new)
    assert list(guess.json()["error"]["details"]["fields"]) == ["old_password"]
    begun = (await mine.call("POST", "/proof/passkey")).json()
    await mine.call("POST", "/proof", challenge=begun["challenge"], credential=device.get(begun["options"]))
    assert (await mine.call("POST", "/password", **new)).status_code == 204
    assert (await other.call("GET", "/me")).status_code == 401
    assert (await stored(alice)).password_hash


async def test_the_last_way_in_stays(alice: Person, open_browser: OpenBrowser, post_office: None) -> None:
    mine = open_browser(alice)
    await mine.log_in()
    _, passkey = await _passkey(mine)
    identity = await _linked(alice)  # of a provider that is no longer set up: no way in
    await mine.call("POST", "/proof", password=PASSWORD)
    await _without_password(alice)
    shown = (await mine.call("GET", "/identities")).json()["data"]
    assert [(each["name"], each["usable"]) for each in shown] == [("elsewhere.example", False)]
    removal = await mine.call("DELETE", f"/passkeys/{passkey}", password=None)
    _refused(removal, 409, "LAST_WAY_IN")
    assert (await mine.call("DELETE", f"/identities/{identity}")).status_code == 204
    _refused(await mine.call("DELETE", f"/identities/{identity}"), 404, "IDENTITY_NOT_FOUND")
    assert "elsewhere.example was unlinked" in (await letters_to(alice.actor.email))[-1]["text"]
    await mine.call("POST", "/password", new_password="another good one")
    assert (await mine.call("DELETE", f"/passkeys/{passkey}", password=None)).status_code == 204
    assert "user.sign_in_provider_unlinked" in await audited(alice)


async def test_anothers_identity_stays_unknown(alice: Person, bob: Person, open_browser: OpenBrowser) -> None:
    his, identity = open_browser(bob), await _linked(alice)
    await his.log_in()
    await his.call("POST", "/proof", password=PASSWORD)
    _refused(await his.call("DELETE", f"/identities/{identity}"), 404, "IDENTITY_NOT_FOUND")
    assert len((await alice.client.get("/auth/identities")).json()["data"]) == 1
