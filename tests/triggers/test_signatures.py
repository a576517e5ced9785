"""Signed webhooks: each scheme as its own library signs it, and what is refused."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import stripe
from sqlalchemy import select
from sqlmodel import col
from standardwebhooks import Webhook

from agentflow_app.audit.models import AuditLog
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.triggers import signatures
from agentflow_app.triggers.signatures import InvalidSignature, check_signature
from tests.actors import Person, definition, ended, node, published

KEY = base64.b64encode(b"24 bytes of signing key!").decode()
SECRETS = {
    "hmac_sha256": "a plain shared secret",
    "github": "It's a Secret to Everybody",
    "standard_webhooks": f"whsec_{KEY}",
    "stripe": "whsec_stripes_are_plain_text",
    "slack": "8f742231b10e8888abcd99yyyzzz85a5",
}
Sign = Callable[[bytes, int, str], dict[str, str]]


def _hexadecimal(key: str, message: bytes) -> str:
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


def _plain(body: bytes, at: int, secret: str = SECRETS["hmac_sha256"]) -> dict[str, str]:
    return {"X-Signature-256": "sha256=" + _hexadecimal(secret, body)}


def _github(body: bytes, at: int, secret: str = SECRETS["github"]) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + _hexadecimal(secret, body)}


def _standard(body: bytes, at: int, secret: str = SECRETS["standard_webhooks"]) -> dict[str, str]:
    sent = utcnow().fromtimestamp(at, utcnow().tzinfo)
    signature = Webhook(secret).sign("msg_1", sent, body.decode())
    return {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": signature}


def _stripe(body: bytes, at: int, secret: str = SECRETS["stripe"]) -> dict[str, str]:
    signature = stripe.WebhookSignature._compute_signature(f"{at}.{body.decode()}", secret)
    return {"Stripe-Signature": f"t={at},v0=00,v1={signature}"}


def _slack(body: bytes, at: int, secret: str = SECRETS["slack"]) -> dict[str, str]:
    signed = _hexadecimal(secret, b"v0:%d:" % at + body)
    return {"X-Slack-Request-Timestamp": str(at), "X-Slack-Signature": f"v0={signed}"}


SIGN: dict[str, Sign] = {
    "hmac_sha256": _plain,
    "github": _github,
    "standard_webhooks": _standard,
    "stripe": _stripe,
    "slack": _slack,
}
TIMED = ("standard_webhooks", "stripe", "slack")


def _graph(signature: str, **config: Any) -> dict[str, Any]:
    named = {"signature": signature, "secret": "{{ secrets.HOOK }}", **config}
    return definition(
        node("hook", "trigger.webhook", **named),
        node("out", "action.template", template="{{ trigger.data }}"),
    )


async def _hook(person: Person, signature: str, **config: Any) -> tuple[str, str]:
    """The agent's id and its hook's path."""
    made = await person.client.post("/org/secrets", json={"name": "HOOK", "value": SECRETS[signature]})
    assert made.status_code == 201, made.text
    agent_id = await published(person, _graph(signature, **config))
    agent = (await person.client.get(f"/agents/{agent_id}")).json()
    return agent_id, agent["trigger_config"]["webhook_url"].removeprefix("/api/v1")


async def _runs(person: Person, agent_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await person.client.get(f"/agents/{agent_id}/executions")).json()["data"]
    return found


@pytest.mark.parametrize("scheme", SIGN)
async def test_only_what_is_signed_starts_a_run(
    alice: Person, anonymous: httpx.AsyncClient, scheme: str
) -> None:
    agent_id, url = await _hook(alice, scheme)
    sign, now = SIGN[scheme], int(time.time())
    body = b'{"id": "evt_1", "event_id": "Ev1", "n":  1}'
    right = sign(body, now, SECRETS[scheme])
    refused = {
        "nothing": await anonymous.post(url, content=body),
        "another body": await anonymous.post(url, content=body.replace(b"1}", b"2}"), headers=right),
        "another secret": await anonymous.post(
            url, content=body, headers=sign(body, now, f"whsec_{base64.b64encode(b'x' * 24).decode()}")
        ),
        "broken": await anonymous.post(url, content=body, headers=dict.fromkeys(right, b"v1,=\xff\xfe zz")),
        "empty": await anonymous.post(url, content=body, headers=dict.fromkeys(right, "")),
    }
    if scheme in TIMED:
        for name, at in (("stale", now - 301), ("of the future", now + 330)):
            refused[name] = await anonymous.post(url, content=body, headers=sign(body, at, SECRETS[scheme]))
    for name, answer in refused.items():
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "INVALID_SIGNATURE"), name
    assert await _runs(alice, agent_id) == []
    for again in range(2):  # no hook that is known skips the check
        other = body.replace(b"_1", b"_%d" % (again + 2)).replace(b"Ev1", b"Ev%d" % again)
        headers = sign(other, now, SECRETS[scheme])
        answer = await anonymous.post(url, content=other, headers=headers)
        assert answer.status_code == 202, answer.text
        assert (await anonymous.post(url, content=other + b" ", headers=headers)).status_code == 401
    runs = await _runs(alice, agent_id)
    assert runs[0]["trigger_data"]["n"] == 1


def test_the_vectors_that_github_and_slack_publish() -> None:
    known = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"x-hub-signature-256": f"sha256={known}"}
    check_signature("github", SECRETS["github"], headers, b"Hello, World!", 0)
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554"
        b"%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    known = "a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    headers = {"x-slack-request-timestamp": "1531420618", "x-slack-signature": f"v0={known}"}
    check_signature("slack", SECRETS["slack"], headers, body, 1531420618 + 300)
    with pytest.raises(InvalidSignature):
        check_signature("slack", SECRETS["slack"], headers, body, 1531420618 + 301)


def test_what_we_take_is_what_the_libraries_take() -> None:
    body, now = b'{"id": "evt_1", "object": "event"}', int(time.time())
    ours = {name.lower(): value for name, value in _stripe(body, now).items()}
    stripe.WebhookSignature.verify_header(body.decode(), ours["stripe-signature"], SECRETS["stripe"], 300)
    check_signature("stripe", SECRETS["stripe"], ours, body, now)
    standard = _standard(body, now)
    Webhook(SECRETS["standard_webhooks"]).verify(body, standard)
    check_signature("standard_webhooks", SECRETS["standard_webhooks"], standard, body, now)
    bare = SECRETS["standard_webhooks"].removeprefix("whsec_")
    check_signature("standard_webhooks", bare, standard, body, now)
    changing = {**standard, "webhook-signature": "v1,AAAA v1a,x " + standard["webhook-signature"]}
    check_signature("standard_webhooks", bare, changing, body, now)
    renumbered = {**standard, "webhook-id": "msg_2"}
    with pytest.raises(InvalidSignature):
        check_signature("standard_webhooks", bare, renumbered, body, now)


@pytest.mark.parametrize("header", signatures.PLAIN_HEADERS)
def test_a_plain_signature_is_hexadecimal_or_base64(header: str) -> None:
    digest = hmac.new(b"secret", b"body", hashlib.sha256).digest()
    for text in (digest.hex(), "sha256=" + digest.hex().upper(), base64.b64encode(digest).decode()):
        check_signature("hmac_sha256", "secret", {header: text}, b"body", 0)
    with pytest.raises(InvalidSignature):
        check_signature("hmac_sha256", "secret", {"x-other": digest.hex()}, b"body", 0)


@pytest.mark.parametrize("at", ["", "-1", "1e9", "٣", "9" * 400, "nan"])
def test_times_that_are_none_are_refused(at: str) -> None:
    headers = {
        "x-slack-request-timestamp": at,
        "x-slack-signature": "v0=" + _hexadecimal("secret", f"v0:{at}:".encode()),
    }
    with pytest.raises(InvalidSignature):
        check_signature("slack", "secret", headers, b"", time.time())


@pytest.mark.parametrize("secret", ["whsec_", "whsec_=", "whsec_?"])
def test_no_key_signs_nothing(secret: str) -> None:
    at = str(int(time.time()))
    signed = hmac.new(b"", f"m.{at}.".encode(), hashlib.sha256).digest()
    headers = {
        "webhook-id": "m",
        "webhook-timestamp": at,
        "webhook-signature": "v1," + base64.b64encode(signed).decode(),
    }
    with pytest.raises(InvalidSignature):
        check_signature("standard_webhooks", secret, headers, b"", time.time())


async def test_a_changed_or_deleted_secret_counts_at_once(
    alice: Person, anonymous: httpx.AsyncClient
) -> None:
    _, url = await _hook(alice, "github")
    secret_id = (await alice.client.get("/org/secrets")).json()["data"][0]["id"]
    body = b"{}"
    old, new = _github(body, 0), _github(body, 0, "another secret")
    assert (await anonymous.post(url, content=body, headers=old)).status_code == 202
    await alice.client.put(f"/org/secrets/{secret_id}", json={"value": "another secret"})
    assert (await anonymous.post(url, content=body, headers=old)).status_code == 401
    assert (await anonymous.post(url, content=body, headers=new)).status_code == 202
    await alice.client.delete(f"/org/secrets/{secret_id}")
    assert (await anonymous.post(url, content=body, headers=new)).status_code == 401


async def test_the_use_of_the_secret_is_audited_with_its_run(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    agent_id, url = await _hook(alice, "hmac_sha256")
    body = b'{"a": 1}'
    await anonymous.post(url, content=body)
    started = await anonymous.post(url, content=body, headers=_plain(body, 0))
    run = await ended(alice, started.json()["execution_id"])
    assert run["status"] == "completed"
    used = select(AuditLog).where(col(AuditLog.org_id) == alice.org_id, col(AuditLog.action) == "secret.used")
    async with database().transaction(alice.actor) as tx:
        notes = list((await tx.execute(used)).scalars())
    assert [note.details["execution_id"] for note in notes] == [run["id"]]
    steps = (await alice.client.get(f"/executions/{run['id']}/steps")).text
    shown = (await alice.client.get(f"/agents/{agent_id}")).text
    assert SECRETS["hmac_sha256"] not in steps + shown + json.dumps(run)


@pytest.mark.parametrize(
    ("scheme", "first", "second", "ids"),
    [
        ("none", b'{"n": 1}', b'{"n": 1}', {"Idempotency-Key": "k"}),
        ("none", b'{"n": 1}', b'{"n": 2}', {"webhook-id": "msg_1"}),
        ("github", b'{"n": 1}', b'{"n": 1}', {"X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"}),
        ("hmac_sha256", b'{"n": 1}', b'{"n": 1}', {"Idempotency-Key": "k"}),
        ("standard_webhooks", b'{"n": 1}', b'{"n": 1}', {}),
        ("stripe", b'{"id": "evt_1", "pending_webhooks": 1}', b'{"id": "evt_1", "pending_webhooks": 0}', {}),
        ("slack", b'{"event_id": "Ev1"}', b'{"event_id": "Ev1"}', {"X-Slack-Retry-Num": "1"}),
    ],
)
async def test_a_delivery_that_is_repeated_starts_one_run(
    alice: Person,
    anonymous: httpx.AsyncClient,
    scheme: str,
    first: bytes,
    second: bytes,
    ids: dict[str, str],
) -> None:
    if scheme == "none":
        agent_id = await published(alice, definition(node("hook", "trigger.webhook")))
        agent = (await alice.client.get(f"/agents/{agent_id}")).json()
        url = agent["trigger_config"]["webhook_url"].removeprefix("/api/v1")
    else:
        agent_id, url = await _hook(alice, scheme)
    answers = []
    for place, body in enumerate((first, second)):
        # A later attempt is signed at its own time, and whoever listens in cannot renumber what is signed.
        moment = int(time.time()) - 10 + place
        signed = {} if scheme == "none" else SIGN[scheme](body, moment, SECRETS[scheme])
        renumbered = {"Idempotency-Key": new_id().hex} if scheme in TIMED else {}
        answers.append(await anonymous.post(url, content=body, headers={**signed, **ids, **renumbered}))
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert len(await _runs(alice, agent_id)) == 1


async def test_deliveries_with_ids_of_their_own_are_runs_of_their_own(
    alice: Person, anonymous: httpx.AsyncClient
) -> None:
    agent_id, url = await _hook(alice, "stripe")
    for number in range(3):
        body = b'{"id": "evt_%d"}' % number
        await anonymous.post(url, content=body, headers=_stripe(body, int(time.time())))
    assert len(await _runs(alice, agent_id)) == 3


async def test_slack_is_shown_that_somebody_is_here(alice: Person, anonymous: httpx.AsyncClient) -> None:
    agent_id, url = await _hook(alice, "slack")
    body = b'{"type": "url_verification", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWM"}'
    assert (await anonymous.post(url, content=body)).status_code == 401
    answer = await anonymous.post(url, content=body, headers=_slack(body, int(time.time())))
    assert (answer.status_code, answer.json()) == (200, {"challenge": json.loads(body)["challenge"]})
    assert await _runs(alice, agent_id) == []


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"signature": "github"}, "MISSING_SECRET"),
        ({"signature": "github", "secret": ""}, "MISSING_SECRET"),
        ({"signature": "github", "secret": "{{ secrets.NOBODY }}"}, "MISSING_SECRET"),
        ({"signature": "github", "secret": "in the clear"}, "INVALID_CONFIG"),
        ({"signature": "github", "secret": "{{ secrets.HOOK | upper }}"}, "INVALID_CONFIG"),
        ({"signature": "github", "secret": "x{{ secrets.HOOK }}"}, "INVALID_CONFIG"),
        ({"signature": "none", "secret": "in the clear"}, "INVALID_CONFIG"),
        ({"signature": "md5", "secret": "{{ secrets.HOOK }}"}, "INVALID_CONFIG"),
    ],
)
async def test_a_signature_that_cannot_be_checked_is_not_published(
    alice: Person, config: dict[str, str], code: str
) -> None:
    await alice.client.post("/org/secrets", json={"name": "HOOK", "value": "a secret"})
    agent_id = (await alice.client.post("/agents", json={"name": "Agent"})).json()["id"]
    graph = definition(node("hook", "trigger.webhook", **config))
    refused = await alice.client.post(f"/agents/{agent_id}/publish", json={"definition": graph})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "INVALID_DEFINITION")
    told = [(each["code"], each["node_id"]) for each in refused.json()["error"]["details"]["problems"]]
    assert told == [(code, "hook")]
    assert "in the clear" not in refused.text


async def test_a_key_that_may_only_write_publishes(alice: Person, anonymous: httpx.AsyncClient) -> None:
    await alice.client.post("/org/secrets", json={"name": "HOOK", "value": "a secret"})
    body = {"name": "Writer", "scopes": ["agents:write"]}
    key = (await alice.client.post("/org/api-keys", json=body)).json()["key"]
    agent_id = (await alice.client.post("/agents", json={"name": "Agent"})).json()["id"]
    graph = {"definition": _graph("github")}
    done = await anonymous.post(f"/agents/{agent_id}/publish", json=graph, headers={"X-API-Key": key})
    assert done.status_code == 201, done.text


async def test_a_hook_that_is_signed_from_now_on_is_known_no_more(
    alice: Person, anonymous: httpx.AsyncClient
) -> None:
    agent_id, url = await _hook(alice, "github")
    plain = {"definition": definition(node("hook", "trigger.webhook"))}
    await alice.client.post(f"/agents/{agent_id}/publish", json=plain)
    for _ in range(2):
        assert (await anonymous.post(url, json={})).status_code == 202
    await alice.client.post(f"/agents/{agent_id}/publish", json={"definition": _graph("github")})
    for _ in range(2):
        assert (await anonymous.post(url, json={})).status_code == 401


async def test_a_paused_agent_does_not_tell_that_it_is_signed(
    alice: Person, anonymous: httpx.AsyncClient
) -> None:
    agent_id, url = await _hook(alice, "github")
    await alice.client.put(f"/agents/{agent_id}/status", json={"status": "paused"})
    unknown = await anonymous.post("/hooks/unknown", json={})
    for headers in ({}, _github(b"{}", 0)):
        answer = await anonymous.post(url, content=b"{}", headers=headers)
        assert (answer.status_code, answer.json()) == (404, unknown.json())
