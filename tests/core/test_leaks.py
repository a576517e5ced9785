"""Secrets of every kind go through the whole app, and are in no log, table, event, metric or key of Redis."""

import asyncio
import base64
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import httpx
import pyotp
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from agentflow_app.accounts.sessions import SESSION_COOKIE
from agentflow_app.core.logging import JsonFormatter, TextFormatter, configure_logging
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.core.redis import redis_client
from agentflow_app.core.settings import Settings
from agentflow_app.core.settings import settings as current_settings
from agentflow_app.mail import service as mail
from agentflow_app.organizations.exports import write_export
from agentflow_app.ui.accounts.profile_state import OwnProfile
from agentflow_app.ui.accounts.security_state import Security
from agentflow_app.ui.sso.state import SingleSignOn
from agentflow_app.ui.vault.credentials_state import Credentials
from agentflow_app.ui.vault.secrets_state import Secrets
from engine.nodes.action.http_request import HttpRequest
from engine.testing import LocalEgress
from tests.accounts.conftest import letters_to
from tests.actors import People, Person, definition, ended, node, published, running, unique_email
from tests.core.test_access import OPEN
from tests.engine.http_server import Answer, Request, serving
from tests.executions.test_stream import address as address
from tests.ui.conftest import OpenTab
from tests.ui.conftest import open_tab as open_tab
from tests.vault.test_vault import dumped


class Canaries(dict[str, str]):
    """What must be nowhere, by what it is."""

    def new(self, what: str) -> str:
        self[what] = f"Cnry{len(self):02d}{re.sub('[^a-z]', '', what)}Qx7Zk9"
        return self[what]

    def found_in(self, place: str, text: str) -> set[str]:
        return {f"{what} in {place}" for what, value in self.items() if any(f in text for f in _forms(value))}


def _forms(value: str) -> tuple[str, ...]:
    """As it is, and as bytes are shown."""
    return value, value.encode().hex(), base64.b64encode(value.encode()).decode()


class Everything(logging.Handler):
    """Keeps whatever is logged, as each of our formatters writes it, and what the record holds besides."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        shown = [JsonFormatter().format(record), TextFormatter().format(record), repr(vars(record))]
        self.lines.append("\n".join(shown))


@pytest.fixture
def logged(settings: Settings) -> Iterator[Everything]:
    """The logs of a process that was started with LOG_LEVEL=DEBUG."""
    root = logging.getLogger()
    named = [each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)]
    before, levels = root.handlers[:], {each: each.level for each in (root, *named)}
    configure_logging(settings.model_copy(update={"log_level": "DEBUG"}))
    everything = Everything()
    root.addHandler(everything)
    yield everything
    root.handlers[:] = before
    for each, level in levels.items():
        each.setLevel(level)


@pytest.fixture
async def noticed() -> AsyncIterator[list[str]]:
    """All that goes through Redis to whoever listens."""
    told: list[str] = []
    channel = redis_client().pubsub()
    await channel.psubscribe("*")

    async def listen() -> None:
        while True:
            message = await channel.get_message(ignore_subscribe_messages=True, timeout=1)
            if message is not None:
                told.append(str(message["data"]))

    listener = asyncio.create_task(listen())
    yield told
    listener.cancel()
    await asyncio.gather(listener, return_exceptions=True)
    await channel.aclose()  # type: ignore[no-untyped-call]


def _once() -> dict[str, str]:
    """So that the answer of a call is kept, where it is."""
    return {"Idempotency-Key": unique_email("once")}


async def _accounts(client: httpx.AsyncClient, kept: Canaries) -> None:
    """Signing up, in and out, wrongly too; a second factor; links in letters."""
    email, password = unique_email("leak"), kept.new("password")
    body = {"email": email, "password": password, "name": "L", "org_name": "L"}
    wrong = kept.new("a wrong password")
    for bad in (
        {**body, "password": wrong * 20},
        {**body, "password": [wrong]},
        {**body, "email": wrong},
        {**body, wrong: 1},
    ):
        await client.post("/auth/signup", json=bad, headers=_once())
        await client.post("/auth/login", json=bad)
    await client.post("/auth/login", content=f'{{"email": "{email}", "password": "{wrong}"'.encode())
    signed = await client.post("/auth/signup", json=body, headers=_once())
    assert signed.status_code == 201, signed.text
    await client.post("/auth/login", json={"email": email, "password": wrong})
    page = await client.post("/auth/login?session=page", json={"email": email, "password": password})
    kept["page session"] = page.cookies[SESSION_COOKIE]
    kept["refresh token"] = signed.cookies["agentflow_refresh"]
    kept["access token"] = token = signed.json()["access_token"]
    mine = {"Authorization": f"Bearer {token}"}
    for path in ("/agents", f"/agents?token={token}", f"/agents/{token}", f"/{token}"):
        await client.get(path, headers=mine)
    await client.get("/agents", headers={"Authorization": f"Bearer {kept.new('a made up token')}"})
    again = await client.post("/auth/refresh")
    kept["next refresh token"] = again.cookies["agentflow_refresh"]
    client.cookies.set("agentflow_refresh", kept["refresh token"], path="/api/v1/auth")
    await client.post("/auth/refresh")
    client.cookies.clear()
    fresh = await client.post("/auth/login", json={"email": email, "password": password})
    mine = {"Authorization": f"Bearer {fresh.json()['access_token']}"}
    begun = await client.post("/auth/second-factor/totp", json={"password": password}, headers=mine | _once())
    kept["authenticator's secret"] = begun.json()["secret"]
    code = pyotp.TOTP(begun.json()["secret"]).now()
    done = await client.post("/auth/second-factor/totp/confirm", json={"code": code}, headers=mine | _once())
    kept["recovery code"], spent = done.json()["codes"][:2]
    step = await client.post("/auth/login", json={"email": email, "password": password})
    challenge = kept["challenge"] = step.json()["error"]["details"]["challenge"]
    for given in (kept.new("wrong code")[:40], spent):
        await client.post("/auth/login/second-factor", json={"challenge": challenge, "code": given})
    await client.post("/auth/password/forgot", json={"email": email})
    for letter in await letters_to(email):
        for place, secret in enumerate(re.findall(r"/#(\S+)", str(letter))):
            kept[f"link {place}"] = secret.strip("'\"\\n")
    new = kept.new("new password")
    for link in [value for what, value in kept.items() if what.startswith("link")]:
        await client.post("/auth/verify", json={"token": link}, headers=_once())
        await client.post("/auth/password/reset", json={"token": link, "password": new}, headers=_once())
    await client.post("/auth/password/reset", json={"token": kept.new("no link"), "password": new})
    client.cookies.clear()


async def _organization(client: httpx.AsyncClient, alice: Person, kept: Canaries) -> None:
    """Keys, invitations, directories, providers."""
    body = {"name": "Key", "scopes": ["agents:read"]}
    key = (await alice.client.post("/org/api-keys", json=body, headers=_once())).json()
    turned = await alice.client.post(f"/org/api-keys/{key['id']}/rotate", json={}, headers=_once())
    kept["API key"], kept["rotated API key"] = key["key"], turned.json()["key"]
    for secret in (key["key"], turned.json()["key"], f"af_{kept.new('a made up key')}"):
        for headers in ({"X-API-Key": secret}, {"Authorization": f"Bearer {secret}"}, {"X-Nothing": secret}):
            await client.get(f"/agents?search={secret}", headers=headers)
    invitation = {"email": unique_email("guest"), "role": "viewer"}
    made = await alice.client.post("/org/invitations", json=invitation, headers=_once())
    kept["invitation"] = link = made.json()["link"].rpartition("/")[2]
    await client.get(f"/invitations/{link}")
    await client.post(f"/invitations/{link}/accept", json={"name": "", "password": kept.new("guest's")})
    await client.post(f"/invitations/{link}/accept", json={"name": "G", "password": kept["guest's"]})
    scim = (await alice.client.post("/org/sso/scim-token", headers=_once())).json()["token"]
    kept["directory's token"] = scim
    for path in ("/scim/v2/Users", f"/scim/v2/Users/{scim}", f'/scim/v2/Users?filter=userName eq "{scim}"'):
        await client.get(path, headers={"Authorization": f"Bearer {scim}"})
    connection = {"name": "C", "issuer": "https://127.0.0.1:9", "client_id": "us"}
    connection["client_secret"] = kept.new("client secret")
    provider = await alice.client.post("/org/sso", json=connection, headers=_once())
    await alice.client.post(f"/org/sso/{provider.json()['id']}/test", headers=_once())
    wrong = {**connection, "client_secret": [kept["client secret"]], "issuer": kept["client secret"]}
    await alice.client.post("/org/sso", json=wrong, headers=_once())
    for provider_answer in ("code", "state", "error_description", "SAMLResponse", "RelayState"):
        given = {provider_answer: kept.new(f"a provider's {provider_answer}")}
        await client.get("/auth/sso/callback", params=given)
        await client.post(f"/auth/sso/saml/{provider.json()['id']}/acs", data=given)


async def _refused_everywhere(client: httpx.AsyncClient, kept: Canaries) -> None:
    """Every open door, with secrets in all places where somebody could have put them."""
    secret = kept.new("anything")
    headers = {"Authorization": f"Basic {secret}", "Cookie": f"x={secret}", "X-API-Key": secret}
    for call in OPEN:
        method, path = call.split(" ")
        named = re.sub(r"\{(\w+)\}", secret, path)
        await client.request(method, f"http://agentflow.test{named}?q={secret}", json=secret, headers=headers)
        await client.request(method, f"http://agentflow.test{named}", json={secret: secret, "email": secret})


async def _runs(client: httpx.AsyncClient, alice: Person, kept: Canaries, patch: pytest.MonkeyPatch) -> None:
    """Secrets and credentials in requests that go well, fail, are refused or crash; and webhooks."""
    secret = kept.new("secret")
    for body in ({"name": "KEY", "value": secret}, {"name": secret, "value": [secret]}):
        await alice.client.post("/org/secrets", json=body, headers=_once())
    old = kept.new("secret of before")
    replaced = await alice.client.post("/org/secrets", json={"name": "OLD", "value": old})
    await alice.client.put(f"/org/secrets/{replaced.json()['id']}", json={"value": kept.new("successor")})

    def answer(request: Request) -> Answer:
        if request.path.startswith("/token"):
            return Answer(401, {"error": "invalid_client", "error_description": request.body.decode()})
        status = 500 if "fail" in request.path else 200
        return Answer(status, {"headers": request.headers, "path": request.path, "body": str(request.body)})

    async with serving(answer) as server:
        hosts = {"allowed_hosts": [server.url]}
        oauth = {"token_url": f"{server.url}/token", "client_id": "me", "client_auth": "body"}
        oauth["grant"] = "client_credentials"
        for name, fields in {
            "bearer": {"value": kept.new("bearer token")},
            "header": {"value": kept.new("header's value"), "header": "X-Key"},
            "query": {"value": kept.new("query's value"), "query": "key"},
            "basic": {"username": "me", "password": kept.new("basic password")},
            "oauth2": {"client_secret": kept.new("oauth client secret"), **oauth},
        }.items():
            type_ = "api_key" if name == "query" else name
            body = {"name": name, "type": type_, **hosts, **fields}
            made = await alice.client.post("/org/credentials", json=body, headers=_once())
            assert made.status_code == 201, made.text
            await alice.client.post("/org/credentials", json={**body, "type": "nothing"}, headers=_once())
            await alice.client.post(f"/org/credentials/{made.json()['id']}/test", json={})
        kept["basic header"] = base64.b64encode(f"me:{kept['basic password']}".encode()).decode()
        with_secret = {"headers": {"X-Key": "{{ secrets.KEY }}"}, "body": {"key": "{{ secrets.KEY }}"}}
        asked: list[dict[str, Any]] = [
            {"url": f"{server.url}/{path}", "method": "POST", **more}
            for path in ("well", "fail")
            for more in (with_secret, *({"credential_id": each} for each in ("bearer", "header", "query")))
        ]
        asked += [{"url": f"{server.url}/fail", "credential_id": each} for each in ("basic", "oauth2")]
        asked += [
            {"url": "http://api.test:1/?key={{ secrets.KEY }}", "method": "GET"},
            {"url": f"{server.url}/{{{{ secrets.KEY }}}}/fail", "method": "GET"},
            {"url": "{{ secrets.KEY }}", "method": "GET"},
            {"url": f"{server.url}/well", "method": "{{ secrets.KEY }}"},
            {"url": f"{server.url}/well", "headers": {"X-{{ secrets.KEY }}\n": "x"}},
            {"url": f"{server.url}/well", "timeout_seconds": "{{ secrets.KEY }}", **with_secret},
        ]
        starts = []
        for config in asked:
            graph = definition(
                node("start", "trigger.manual"),
                node("ask", "action.http_request", **config),
                node("say", "action.template", template="{{ node_ask.output }}"),
            )
            draft = await alice.client.post("/agents", json={"name": "A"}, headers=_once())
            live = await alice.client.post(
                f"/agents/{draft.json()['id']}/publish", json={"definition": graph}, headers=_once()
            )
            if live.status_code == 201:
                path = f"/agents/{draft.json()['id']}/execute"
                starts.append((await alice.client.post(path, json={}, headers=_once())).json()["id"])
        assert len(starts) >= 10
        async with running():
            for run in starts:
                await ended(alice, run)
        crashing = await published(alice, definition(node("ask", "action.http_request", **asked[0])))
        run = (await alice.client.post(f"/agents/{crashing}/execute", json={})).json()["id"]
        patch.setattr(HttpRequest, "run", _crash_with_its_config)
        async with running():
            failed = await ended(alice, run)
        assert failed["error"]["code"] == "INTERNAL_ERROR"
    await _hooks(client, alice, kept)


async def _crash_with_its_config(self: Any, config: Any, ctx: Any) -> Any:
    raise RuntimeError(f"A library put into its message what it was given: {config!r}")


async def _hooks(client: httpx.AsyncClient, alice: Person, kept: Canaries) -> None:
    hook = definition(node("hook", "trigger.webhook"), node("out", "action.template", template="ok"))
    made = await alice.client.post("/agents", json={"name": "Hook", "definition": hook}, headers=_once())
    agent = made.json()["id"]
    live = await alice.client.post(f"/agents/{agent}/publish", json={}, headers=_once())
    assert live.status_code == 201, live.text
    shown = await alice.client.put(f"/agents/{agent}/status", json={"status": "active"}, headers=_once())
    kept["hook"] = token = shown.json()["trigger_config"]["webhook_url"].rpartition("/")[2]
    for content in (b"{}", b"{", b"[" * 5000):
        private = {"Authorization": kept.new(f"caller's {len(content)}"), "Cookie": f"a={token}"}
        for extra in ({}, _once()):
            await client.post(f"/hooks/{token}", content=content, headers=private | extra)
    for method, path in (("GET", ""), ("POST", "/x"), ("PUT", "")):
        await client.request(method, f"/hooks/{token}{path}")
    async with running():
        for run in (await alice.client.get(f"/agents/{agent}/executions?limit=100")).json()["data"]:
            await ended(alice, run["id"])


async def _pages(alice: Person, open_tab: OpenTab, kept: Canaries) -> None:
    tab = await open_tab(alice, "/settings")
    kept["page's cookie"] = tab.root.router.headers.cookie.partition("=")[2]
    secret = kept.new("page's secret")
    for form in ({"name": "PAGE", "value": secret}, {"name": secret, "value": secret}):
        await tab.send(Secrets, "open_form", "secret", "")
        await tab.send(Secrets, "save", form)
    for hosts in ("a.example", "no host at all"):
        await tab.send(Credentials, "open_form", "")
        await tab.send(Credentials, "save", {"name": "Page", "value": secret, "hosts": hosts})
    await tab.send(SingleSignOn, "open_form", "")
    form = {"name": "P", "issuer": "https://idp.invalid", "client_id": "us", "client_secret": secret}
    await tab.send(SingleSignOn, "save", form)
    await tab.send(SingleSignOn, "save", {**form, "issuer": secret})
    password = kept.new("page's password")
    for kind in (OwnProfile, Security):
        await tab.send(kind, "prove", {"password": password})
    await tab.send(OwnProfile, "change_email", {"email": f"{password}", "password": password})
    await tab.send(Security, "change_password", {"old_password": password, "new_password": password})


async def _sockets(alice: Person, address: str, run: str, kept: Canaries) -> None:
    kept["alice's token"], wrong = alice.token, kept.new("socket's token")
    url = f"ws://{address}/api/v1/executions/{run}/stream"
    ways: tuple[tuple[str, str | None, list[Subprotocol] | None], ...] = (
        (url, json.dumps({"token": alice.token}), None),
        (url, json.dumps({"token": wrong}), None),
        (url, wrong, None),
        (f"{url}?token={wrong}&after={wrong}", json.dumps({"token": alice.token}), None),
        (url, None, [Subprotocol("bearer"), Subprotocol(alice.token)]),
        (url, None, [Subprotocol("bearer"), Subprotocol(wrong)]),
    )
    for where, first, offered in ways:
        async with asyncio.timeout(120), connect(where, subprotocols=offered) as ws:
            with suppress(ConnectionClosed):
                if first is not None:
                    await ws.send(first)
                async for _ in ws:
                    pass


async def _redis() -> str:
    """All that Redis holds."""
    client, found = redis_client(), []
    async for key in client.scan_iter(count=1000):
        found.append(str(key))
        found.append(str(await client.dump(key)))
    return "\n".join(found)


@pytest.mark.timeout(300)
async def test_no_secret_is_written_down(
    anonymous: httpx.AsyncClient,
    people: People,
    address: str,
    open_tab: OpenTab,
    local_egress: LocalEgress,
    logged: Everything,
    noticed: list[str],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept, alice = Canaries(), people.alice
    config = current_settings()
    monkeypatch.setattr(config, "rate_limit_auth", "off")
    monkeypatch.setattr(config, "rate_limit_address", "off")
    monkeypatch.setattr(config, "mail_from", "robot@example.com")
    rate_limits.cache_clear()
    await _organization(anonymous, alice, kept)
    url = f"smtp://me:{kept.new('mail password')}@127.0.0.1:1"
    monkeypatch.setattr(config, "smtp_url", SecretStr(url))
    await _accounts(anonymous, kept)
    await _refused_everywhere(anonymous, kept)
    await _pages(alice, open_tab, kept)
    await _runs(anonymous, alice, kept, monkeypatch)
    runs = (await alice.client.get("/executions?limit=1")).json()["data"]
    await _sockets(alice, address, runs[0]["id"], kept)
    for each in await mail.due(100):
        await mail.deliver(each)
    export = (await alice.client.post("/org/export")).json()["id"]
    await write_export(UUID(export))
    assert len(kept) > 40
    # Without these there could be nothing to find.
    assert any("A node failed unexpectedly" in line for line in logged.lines)
    assert any("A letter was not delivered" in line for line in logged.lines)
    metrics = await anonymous.get("http://agentflow.test/metrics")
    found = kept.found_in("a metric", metrics.text)
    assert noticed
    found |= kept.found_in("a log", "\n".join(logged.lines)) | kept.found_in("a notice", "\n".join(noticed))
    found |= kept.found_in("a table", dumped(settings).decode("utf-8", "replace"))
    found |= kept.found_in("Redis", await _redis())
    assert found == set()
    rate_limits.cache_clear()
