"""Mail servers as credentials: letters of real runs, sent with them or with the installation's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from agentflow_app.core.settings import settings as current_settings
from agentflow_app.executions.runtime import ExecutionRuntime
from engine.testing import LocalEgress
from tests.actors import Person, definition, node
from tests.support.smtp import PASSWORD, USER, Box, certificate, login, mail_server, tls_context
from tests.vault.test_runs import keep, run, seen, used

LETTER = {"to": "ada@example.com", "subject": "Hello", "text": "Good day {{ trigger.data.name }}"}
SERVER = {
    "name": "Post",
    "type": "smtp",
    "host": "localhost",
    "username": USER,
    "password": PASSWORD,
    "allowed_hosts": ["localhost"],
}


def sending(**config: Any) -> dict[str, Any]:
    return definition(
        node("start", "trigger.manual"), node("mail", "action.send_email", **{**LETTER, **config})
    )


@pytest.fixture
def post(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Box, int]]:
    """A server that wants STARTTLS and a login."""
    written, private = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(written))
    options = {"tls_context": tls_context(written, private), "require_starttls": True}
    with mail_server(authenticator=login, auth_required=True, **options) as started:
        yield started


async def test_a_run_sends_with_the_organizations_server(
    alice: Person, runtime: ExecutionRuntime, local_egress: LocalEgress, post: tuple[Box, int]
) -> None:
    box, port = post
    credential = await keep(alice, "credentials", **SERVER, port=port)
    for name in (credential, "Post"):
        ended = await run(alice, sending(credential_id=name), {"name": "Ada"})
        assert ended["status"] == "completed", ended["error"]
        assert ended["output"]["accepted"] == ["ada@example.com"]
        assert PASSWORD not in await seen(alice, ended["id"])
    assert [letter["From"] for letter in box.letters] == [USER] * 2
    assert [letter.get_payload().strip() for letter in box.letters] == ["Good day Ada"] * 2
    assert {("credential.used", "Post")} <= set(await used(alice))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password": None}, "password"),
        ({"host": None}, "host"),
        ({"username": None}, "username"),
        ({"username": "post"}, "sender"),
        ({"value": "something"}, "value"),
        ({"allowed_hosts": ["mail.example.com"]}, "allowed_hosts"),
        ({"host": "https://localhost"}, "host"),
        ({"host": "localhost:25"}, "host"),
        ({"host": "*.example.com"}, "host"),
        ({"host": "a\r\nb"}, "host"),
        ({"port": 70_000}, "port"),
        ({"security": "none"}, "security"),
        ({"sender": "a@example.com\r\nBcc: b@example.com"}, "sender"),
        ({"sender": "a@example.com, b@example.com"}, "sender"),
    ],
)
async def test_what_is_no_mail_server_is_refused(alice: Person, change: dict[str, Any], field: str) -> None:
    body = {name: value for name, value in {**SERVER, **change}.items() if value is not None}
    answer = await alice.client.post("/org/credentials", json=body)
    assert answer.status_code == 422, answer.text
    assert list(answer.json()["error"]["details"]["fields"]) == [field]


@pytest.mark.parametrize("change", [{"host": "other.example"}, {"port": 2525}, {"security": "tls"}])
async def test_it_is_not_led_elsewhere_without_its_password(alice: Person, change: dict[str, Any]) -> None:
    hosts = ["localhost", "other.example"]
    credential = await keep(alice, "credentials", **{**SERVER, "allowed_hosts": hosts})
    refused = await alice.client.put(f"/org/credentials/{credential}", json=change)
    assert refused.status_code == 422
    assert list(refused.json()["error"]["details"]["fields"]) == ["password"]
    taken = await alice.client.put(f"/org/credentials/{credential}", json={**change, "password": PASSWORD})
    assert taken.status_code == 200
    assert taken.json()["settings"].items() >= change.items()
    assert PASSWORD not in taken.text


async def test_each_credential_is_for_its_own_kind_of_thing(
    alice: Person, mallory: Person, runtime: ExecutionRuntime, local_egress: LocalEgress
) -> None:
    await keep(alice, "credentials", **SERVER)
    await keep(
        alice, "credentials", name="Token", type="bearer", value="a-token", allowed_hosts=["a.example"]
    )
    theirs = await keep(mallory, "credentials", **{**SERVER, "name": "Theirs"})
    asks = definition(
        node("start", "trigger.manual"),
        node("ask", "action.http_request", url="https://localhost/", method="GET", credential_id="Post"),
    )
    for graph, code in (
        (asks, "CREDENTIAL_REFUSED"),
        (sending(credential_id="Token"), "CREDENTIAL_REFUSED"),
        (sending(credential_id=theirs), "MISSING_SECRET"),
        (sending(credential_id="Theirs"), "MISSING_SECRET"),
    ):
        ended = await run(alice, graph, {"name": "Ada"})
        assert (ended["status"], ended["error"]["code"]) == ("failed", code)


async def test_a_mail_server_is_not_tried_by_a_request(alice: Person) -> None:
    credential = await keep(alice, "credentials", **SERVER)
    answer = await alice.client.post(f"/org/credentials/{credential}/test", json={})
    assert answer.status_code == 422
    assert "letter" in answer.text


async def test_the_installations_server_is_used_where_it_is_lent(
    alice: Person, runtime: ExecutionRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the operator's own, so that it may be private."""
    config = current_settings()
    with mail_server() as (box, port):
        monkeypatch.setattr(config, "smtp_url", SecretStr(f"smtp://127.0.0.1:{port}"))
        monkeypatch.setattr(config, "mail_from", "AgentFlow <robot@example.com>")
        ended = await run(alice, sending(), {"name": "Ada"})
        assert ended["status"] == "completed", ended["error"]
        assert box.letters[0]["From"] == "AgentFlow <robot@example.com>"
        spoofed = await run(alice, sending(**{"from": "boss@example.com"}), {"name": "Ada"})
        assert spoofed["error"]["code"] == "INVALID_CONFIG"
        monkeypatch.setattr(config, "share_operator_keys", False)
        kept = await run(alice, sending(), {"name": "Ada"})
        assert kept["error"]["code"] == "MISSING_SECRET"
        assert "credential" in kept["error"]["message"]
    assert len(box.letters) == 1
