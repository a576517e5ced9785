"""Secrets, credentials and variables in real runs: used, audited once, and nowhere to be read afterwards."""

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from sqlalchemy import select

from agentflow_app.audit.models import AuditLog
from agentflow_app.core.database import database
from agentflow_app.core.settings import Settings
from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.executions.stream import follow, wait_for_end
from engine.masking import MASK
from engine.testing import LocalEgress
from tests.actors import Person, definition, node, published, running
from tests.engine.http_server import Answer, Request, Server, serving
from tests.vault.test_vault import dumped

CANARY = "canary/5d1e+77=secret value"


async def keep(person: Person, path: str, **body: Any) -> str:
    answer = await person.client.post(f"/org/{path}", json=body)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found


async def run(person: Person, graph: dict[str, Any], data: Any = None) -> dict[str, Any]:
    agent_id = await published(person, graph)
    started = await person.client.post(f"/agents/{agent_id}/execute", json={"trigger_data": data})
    await wait_for_end(person.actor, started.json()["id"])
    answer = await person.client.get(f"/executions/{started.json()['id']}")
    ended: dict[str, Any] = answer.json()
    return ended


async def seen(person: Person, execution_id: str) -> str:
    """Everything that the outside may see of a run."""
    parts = [
        (await person.client.get(f"/executions/{execution_id}{path}")).text
        for path in ("", "/steps", "/logs")
    ]
    parts += [json.dumps(event, ensure_ascii=False) async for event in follow(person.actor, execution_id)]
    return "\n".join(parts)


def echo(request: Request) -> Answer:
    return Answer(200, {"headers": request.headers, "path": request.path, "body": request.body.decode()})


def ask(url: str, **config: Any) -> dict[str, Any]:
    return node("ask", "action.http_request", url=url, method="POST", **config)


async def used(person: Person) -> list[tuple[str, str]]:
    async with database().transaction(person.actor) as tx:
        rows = (await tx.execute(select(AuditLog).where(AuditLog.action.like("%.used")))).scalars().all()
    return sorted((row.action, row.details["name"]) for row in rows)


async def test_a_secret_is_sent_and_leaves_no_trace(
    alice: Person, runtime: ExecutionRuntime, local_egress: LocalEgress, settings: Settings
) -> None:
    await keep(alice, "secrets", name="KEY", value=CANARY)
    async with serving(echo) as server:
        ended = await run(
            alice,
            definition(
                ask(
                    server.url,
                    headers={"X-Key": "{{ secrets.KEY }}"},
                    body={"key": "{{ secrets.KEY }}"},
                    query={"key": "{{ secrets.KEY }}"},
                ),
                node("say", "action.template", template="{{ node_ask.output.body.headers['x-key'] }}"),
            ),
        )
    assert ended["status"] == "completed", ended
    assert server.requests[0].headers["x-key"] == CANARY
    assert ended["output"] == {"text": MASK}
    told = await seen(alice, ended["id"])
    assert "canary" not in told
    assert "Y2FuYXJ5" not in told
    assert b"canary/5d1e" not in dumped(settings)


async def test_each_use_is_audited_once_per_run(
    alice: Person, runtime: ExecutionRuntime, local_egress: LocalEgress
) -> None:
    secret_id = await keep(alice, "secrets", name="KEY", value=CANARY)
    async with serving(echo) as server:
        steps = [{**ask(server.url, headers={"X": "{{ secrets.KEY }}"}), "id": f"n{n}"} for n in range(3)]
        await run(alice, definition(*steps))
        assert await used(alice) == [("secret.used", "KEY")]
        await run(alice, definition(*steps))
    assert await used(alice) == [("secret.used", "KEY")] * 2
    shown = (await alice.client.get(f"/org/secrets/{secret_id}")).json()
    assert shown["last_used_at"] is not None


@pytest.mark.parametrize(
    ("fields", "header", "expected"),
    [
        ({"type": "bearer", "value": "tok-123456"}, "authorization", "Bearer tok-123456"),
        ({"type": "api_key", "value": "tok-123456", "header": "X-Api-Key"}, "x-api-key", "tok-123456"),
        ({"type": "header", "value": "tok-123456", "header": "X-Else"}, "x-else", "tok-123456"),
        (
            {"type": "basic", "username": "me", "password": "tok-123456"},
            "authorization",
            "Basic bWU6dG9rLTEyMzQ1Ng==",
        ),
    ],
)
async def test_each_type_of_credential(
    alice: Person,
    runtime: ExecutionRuntime,
    local_egress: LocalEgress,
    fields: dict[str, Any],
    header: str,
    expected: str,
) -> None:
    async with serving(echo) as server:
        credential_id = await keep(alice, "credentials", name="API", allowed_hosts=[server.url], **fields)
        for reference in (credential_id, "API"):
            ended = await run(alice, definition(ask(server.url, credential_id=reference)))
            assert ended["status"] == "completed", ended
            told = await seen(alice, ended["id"])
            assert "tok-123456" not in told
            assert "bWU6dG9rLTEyMzQ1Ng" not in told
    assert [request.headers[header] for request in server.requests] == [expected] * 2
    assert await used(alice) == [("credential.used", "API")] * 2


async def test_nobody_uses_what_is_anothers(
    alice: Person, mallory: Person, runtime: ExecutionRuntime, local_egress: LocalEgress
) -> None:
    await keep(alice, "secrets", name="KEY", value=CANARY)
    await keep(alice, "variables", name="region", value=CANARY)
    async with serving(echo) as server:
        credential_id = await keep(
            alice, "credentials", name="API", type="bearer", value="tok-123456", allowed_hosts=[server.url]
        )
        for config in (
            {"headers": {"X": "{{ secrets.KEY }}"}},
            {"headers": {"X": "{{ vars.region }}"}},
            {"credential_id": "API"},
            {"credential_id": credential_id},
        ):
            ended = await run(mallory, definition(ask(server.url, **config)))
            assert ended["status"] == "failed"
            assert ended["error"]["code"] in ("MISSING_SECRET", "MISSING_PATH")
            assert "canary" not in await seen(mallory, ended["id"])
    assert server.requests == []


async def test_variables_are_those_of_the_start(alice: Person, runtime: ExecutionRuntime) -> None:
    variable_id = await keep(alice, "variables", name="region", value={"code": "eu"})
    graph = definition(
        node("ok", "human.approval", message="{{ vars.region.code }}?"),
        node("say", "action.template", template="{{ vars.region.code }}"),
        edges=[("ok", "say", "approved")],
    )
    graph["edges"][0]["condition"] = "vars.region.code == 'eu'"
    agent_id = await published(alice, graph)
    started = (await alice.client.post(f"/agents/{agent_id}/execute", json={})).json()
    async for event in follow(alice.actor, started["id"]):
        if event["type"] == "execution.waiting":
            break
    await alice.client.put(f"/org/variables/{variable_id}", json={"value": {"code": "us"}})
    await alice.client.post(f"/executions/{started['id']}/approve", json={"decision": "approved"})
    ended = await wait_for_end(alice.actor, started["id"])
    assert ended.output == {"text": "eu"}


async def test_what_an_earlier_worker_used_stays_masked(alice: Person, local_egress: LocalEgress) -> None:
    """The other side tells the secret only after the wait, to a worker that never opened it itself."""
    await keep(alice, "secrets", name="KEY", value=CANARY)
    async with serving(
        lambda request: Answer(200, {"told": CANARY} if request.path == "/late" else {})
    ) as server:
        graph = definition(
            ask(server.url, headers={"X": "{{ secrets.KEY }}"}),
            node("ok", "human.approval", message="Go on?"),
            {**ask(server.url + "/late"), "id": "late"},
            edges=[("ask", "ok"), ("ok", "late", "approved")],
        )
        agent_id = await published(alice, graph)
        started = (await alice.client.post(f"/agents/{agent_id}/execute", json={})).json()
        async with running("first"):
            async for event in follow(alice.actor, started["id"]):
                if event["type"] == "execution.waiting":
                    break
        async with running("second"):
            await alice.client.post(f"/executions/{started['id']}/approve", json={"decision": "approved"})
            ended = await wait_for_end(alice.actor, started["id"])
    assert ended.output["body"] == {"told": MASK}


async def test_a_dry_run_opens_no_secret(
    alice: Person, runtime: ExecutionRuntime, local_egress: LocalEgress
) -> None:
    await keep(alice, "secrets", name="KEY", value=CANARY)
    agent_id = await published(alice, definition(node("n", "action.set", values={"a": 1})))
    graph = definition(
        ask("http://api.test:1/", headers={"X": "{{ secrets.KEY }}"}, credential_id="NONE"),
        node("say", "action.template", template="{{ secrets.KEY }}"),
    )
    started = await alice.client.post(f"/agents/{agent_id}/test", json={"definition": graph})
    ended = await wait_for_end(alice.actor, started.json()["id"])
    assert ended.output == {"text": MASK}
    assert await used(alice) == []


class TokenServer:
    """An OAuth 2 server that counts what it is asked."""

    def __init__(self, expires_in: Any = 3600) -> None:
        self.forms: list[dict[str, list[str]]] = []
        self.expires_in = expires_in
        self.status = 200

    async def __call__(self, request: Request) -> Answer:
        if request.path != "/token":
            return echo(request)
        self.forms.append(parse_qs(request.body.decode()))
        await asyncio.sleep(0.05)
        if self.status != 200:
            return Answer(
                self.status,
                {"error": "invalid_client", "error_description": request.headers["authorization"]},
            )
        number = len(self.forms)
        return Answer(
            200,
            {
                "access_token": f"access-{number}-canary",
                "expires_in": self.expires_in,
                "refresh_token": f"refresh-{number}-canary",
            },
        )


async def keep_client(person: Person, server: Server, **fields: Any) -> str:
    """A credential whose token comes from the server that it is for."""
    client = {"client_id": "me", "client_secret": "client-canary", "token_url": server.url + "/token"}
    hosts = {"allowed_hosts": [server.url]}
    return await keep(person, "credentials", name="CRM", type="oauth2", **client, **hosts, **fields)


async def test_a_token_is_fetched_once_for_all_and_kept(
    alice: Person, runtime: ExecutionRuntime, local_egress: LocalEgress, settings: Settings
) -> None:
    tokens = TokenServer()
    async with serving(tokens) as server:
        await keep_client(alice, server, scopes=["a", "b"])
        graph = definition(ask(server.url, credential_id="CRM"))
        runs = await asyncio.gather(*(run(alice, graph) for _ in range(4)))
    assert [each["status"] for each in runs] == ["completed"] * 4
    assert tokens.forms == [{"grant_type": ["client_credentials"], "scope": ["a b"]}]
    sent = {request.headers["authorization"] for request in server.requests if request.path != "/token"}
    assert sent == {"Bearer access-1-canary"}
    for each in runs:
        assert "canary" not in await seen(alice, each["id"])
    assert b"access-1-canary" not in dumped(settings)


async def test_a_refresh_token_is_exchanged_and_its_successor_kept(
    alice: Person, runtime: ExecutionRuntime, local_egress: LocalEgress
) -> None:
    tokens = TokenServer(expires_in=-1)
    async with serving(tokens) as server:
        more = {"grant": "refresh_token", "client_auth": "body", "refresh_token": "refresh-0-canary"}
        credential_id = await keep_client(alice, server, **more)
        graph = definition(ask(server.url, credential_id="CRM"))
        assert (await run(alice, graph))["status"] == "completed"
        changed = await alice.client.put(f"/org/credentials/{credential_id}", json={"scopes": ["x"]})
        assert changed.status_code == 200
        assert (await run(alice, graph))["status"] == "completed"
    assert [form["refresh_token"] for form in tokens.forms] == [["refresh-0-canary"], ["refresh-1-canary"]]
    assert tokens.forms[0]["client_secret"] == ["client-canary"]


async def test_a_refused_token_says_why_and_nothing_more(
    alice: Person, runtime: ExecutionRuntime, local_egress: LocalEgress
) -> None:
    tokens = TokenServer()
    tokens.status = 401
    async with serving(tokens) as server:
        await keep_client(alice, server)
        ended = await run(alice, definition(ask(server.url, credential_id="CRM")))
    assert ended["error"]["message"] == "The token for 'CRM' could not be fetched: 401 invalid_client"
    assert len(server.requests) == 1


async def test_the_organizations_list_of_hosts_holds_for_its_runs(
    alice: Person, mallory: Person, runtime: ExecutionRuntime, local_egress: LocalEgress
) -> None:
    answer = await alice.client.put(
        "/org", json={"settings": {"egress_allowed_hosts": ["API.elsewhere.test"]}}
    )
    assert answer.json()["settings"]["egress_allowed_hosts"] == ["api.elsewhere.test"]
    for entry in ("https://api.test", "api.test:80", "*", "*.com", "a/b"):
        refused = await alice.client.put("/org", json={"settings": {"egress_allowed_hosts": [entry]}})
        assert refused.status_code == 422, entry
    async with serving(echo) as server:
        refused_run = await run(alice, definition(ask(server.url)))
        assert refused_run["error"]["code"] == "EGRESS_REFUSED"
        assert (await run(mallory, definition(ask(server.url))))["status"] == "completed"
        assert len(server.requests) == 1


async def test_the_builder_is_told_what_is_unknown(alice: Person) -> None:
    await keep(alice, "secrets", name="KEY", value=CANARY)
    made = (await alice.client.post("/agents", json={"name": "A"})).json()
    graph = definition(
        ask(
            "https://api.example.com/{{ vars.nothing }}",
            headers={"A": "{{ secrets.KEY }}", "B": "{{ secrets.OTHER }}"},
            credential_id="nobody's",
        ),
        node("chat", "ai.chat", model="demo", prompt="{{ secrets.KEY }}"),
    )
    draft = await alice.client.put(f"/agents/{made['id']}/draft", json={"definition": graph, "revision": 1})
    found = [(problem["code"], problem["severity"]) for problem in draft.json()["problems"]]
    assert found == [
        ("UNKNOWN_VARIABLE", "warning"),
        ("UNKNOWN_SECRET", "warning"),
        ("UNKNOWN_CREDENTIAL", "warning"),
        ("SECRET_NOT_ALLOWED", "error"),
    ]
