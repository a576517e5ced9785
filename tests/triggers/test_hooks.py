"""Webhooks: the token is the credential, the body is the data."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from agentflow_app.core.settings import settings
from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.triggers import service
from tests.actors import GREETING, Person, definition, ended, node, published


def _graph(response: str | None = None, template: str = "got {{ trigger.data }}") -> dict[str, Any]:
    config = {"response": response} if response else {}
    return definition(
        node("hook", "trigger.webhook", **config), node("out", "action.template", template=template)
    )


async def _hook(person: Person, graph: dict[str, Any]) -> tuple[str, str]:
    """The agent's id and its hook's URL."""
    agent_id = await published(person, graph)
    agent = (await person.client.get(f"/agents/{agent_id}")).json()
    return agent_id, agent["trigger_config"]["webhook_url"].removeprefix("/api/v1")


async def test_a_webhook_starts_a_run(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    _, url = await _hook(alice, _graph())
    answer = await anonymous.post(f"{url}?page=2", json={"a": 1}, headers={"X-Shop": "7", "Cookie": "s=1"})
    assert answer.status_code == 202
    run = await ended(alice, answer.json()["execution_id"])
    assert (run["status"], run["triggered_by"], run["trigger_data"]) == ("completed", "webhook", {"a": 1})


@pytest.mark.parametrize(
    ("body", "content_type", "data"),
    [
        (b'{"n": 1}', "application/json", {"n": 1}),
        (b"[1, 2]", "application/json", [1, 2]),
        (b"a=1&b=x%20y&c=", "application/x-www-form-urlencoded", {"a": "1", "b": "x y", "c": ""}),
        (b"plain words", "text/plain", {"text": "plain words"}),
        (b"{broken", "application/json", {"text": "{broken"}),
        (b"nul\x00byte", "text/plain", {"text": "nul\ufffdbyte"}),
        (b"", "application/json", {}),
        (b"{{ 7 * 7 }}", "text/plain", {"text": "{{ 7 * 7 }}"}),
    ],
)
async def test_what_the_body_becomes(
    alice: Person,
    anonymous: httpx.AsyncClient,
    runtime: ExecutionRuntime,
    body: bytes,
    content_type: str,
    data: Any,
) -> None:
    _, url = await _hook(alice, _graph())
    answer = await anonymous.post(url, content=body, headers={"Content-Type": content_type})
    run = await ended(alice, answer.json()["execution_id"])
    assert run["trigger_data"] == data
    assert "49" not in run["output"]["text"]


async def test_headers_query_and_method_are_beside_the_data(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    template = "{{ trigger.method }} {{ trigger.query.page }} {{ trigger.headers['x-shop'] }}"
    _, url = await _hook(alice, _graph("when_finished", template))
    answer = await anonymous.post(f"{url}?page=2", json={}, headers={"X-Shop": "7"})
    assert (answer.status_code, answer.json()["text"]) == (200, "POST 2 7")


async def test_credentials_of_the_caller_are_not_kept(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    template = (
        "{{ trigger.headers.cookie | default('none') }} {{ trigger.headers.authorization | default('none') }}"
    )
    _, url = await _hook(alice, _graph("when_finished", template))
    answer = await anonymous.post(url, json={}, headers={"Cookie": "s=1", "Authorization": "Bearer x"})
    assert answer.json()["text"] == "none none"


async def test_a_failed_run_is_502_with_the_envelope(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    _, url = await _hook(alice, _graph("when_finished", "{{ trigger.data.missing.deep }}"))
    answer = await anonymous.post(url, json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "EXECUTION_FAILED")
    assert answer.json()["error"]["details"]["execution_id"]


@pytest.mark.parametrize("levels", [90, 101, 300, 5_000])
async def test_what_is_nested_without_measure_stays_text(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime, levels: int
) -> None:
    agent_id, url = await _hook(alice, _graph("when_finished", "{{ trigger.data }}"))
    body = "[" * levels + "]" * levels
    answer = await anonymous.post(url, content=body)
    text = body if levels <= 100 else json.dumps({"text": body}, separators=(",", ":"))
    assert (answer.status_code, answer.json()["text"].replace(" ", "")) == (200, text)
    (run,) = (await alice.client.get(f"/executions?agent_id={agent_id}")).json()["data"]
    assert (await alice.client.get(f"/executions/{run['id']}")).status_code == 200


async def test_what_is_not_there_looks_like_what_is_paused(
    alice: Person, anonymous: httpx.AsyncClient
) -> None:
    agent_id, url = await _hook(alice, _graph())
    unknown = await anonymous.post("/hooks/unknown", content=b"x" * 100)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "HOOK_NOT_FOUND")
    await alice.client.put(f"/agents/{agent_id}/status", json={"status": "paused"})
    assert (await anonymous.post(url, json={})).json() == unknown.json()
    await alice.client.delete(f"/agents/{agent_id}")
    assert (await anonymous.post(url, json={})).json() == unknown.json()


async def test_an_agent_without_a_webhook_has_no_hook(alice: Person, anonymous: httpx.AsyncClient) -> None:
    agent_id, url = await _hook(alice, _graph())
    await alice.client.post(f"/agents/{agent_id}/publish", json={"definition": GREETING})
    answer = await anonymous.post(url, json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "HOOK_NOT_FOUND")


async def test_a_delivery_that_is_repeated_with_its_key_starts_one_run(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    agent_id, url = await _hook(alice, _graph("when_finished"))
    key = {"Idempotency-Key": "delivery-1"}
    first = await anonymous.post(url, json={"n": 1}, headers=key)
    again = await anonymous.post(url, json={"n": 1}, headers=key)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    other = await anonymous.post(url, json={"n": 2}, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    runs = (await alice.client.get(f"/agents/{agent_id}/executions")).json()["data"]
    assert len(runs) == 1


async def test_only_who_may_start_runs_sees_the_address(alice: Person, bob: Person) -> None:
    agent_id, _ = await _hook(alice, _graph())
    shown = [
        (await bob.client.get(f"/agents/{agent_id}")).json(),
        *(await bob.client.get("/agents")).json()["data"],
    ]
    assert [agent["trigger_config"] for agent in shown] == [{}, {}]


async def test_what_is_known_of_a_hook_is_checked_each_time(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    agent_id, url = await _hook(alice, _graph("when_finished", "one"))
    for _ in range(2):
        assert (await anonymous.post(url, json={})).json() == {"text": "one"}
    new = {"definition": _graph("when_finished", "two")}
    assert (await alice.client.post(f"/agents/{agent_id}/publish", json=new)).status_code == 201
    assert (await anonymous.post(url, json={})).json() == {"text": "two"}
    assert (await anonymous.post(url, json={})).json() == {"text": "two"}
    for status, expected in (("paused", 404), ("active", 200)):
        await alice.client.put(f"/agents/{agent_id}/status", json={"status": status})
        assert (await anonymous.post(url, json={})).status_code == expected
    await alice.client.delete(f"/agents/{agent_id}")
    assert (await anonymous.post(url, json={})).status_code == 404


async def test_many_deliveries_at_once_are_one_run_each(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    _, url = await _hook(alice, _graph("when_finished", "got {{ trigger.data.n }}"))
    assert (await anonymous.post(url, json={"n": -1})).status_code == 200
    answers = await asyncio.gather(*(anonymous.post(url, json={"n": n}) for n in range(40)))
    assert [answer.json()["text"] for answer in answers] == [f"got {n}" for n in range(40)]


async def test_an_output_too_long_for_a_notice_is_answered_whole(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    _, url = await _hook(alice, _graph("when_finished", "{{ trigger.data.text }}"))
    assert (await anonymous.post(url, json={"text": "ab" * 70_000})).json() == {"text": "ab" * 70_000}


SEVEN = [
    "{{7*7}}",
    "{{ 7 * 7 }}",
    "{% if 1 %}49{% endif %}",
    "{{ trigger.data }}",
    "{{ secrets.CANARY }}",
    "{{",
]


async def test_text_from_outside_stays_text_through_every_hop(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    await alice.client.post("/org/secrets", json={"name": "CANARY", "value": "canary-value-1"})
    graph = definition(
        node("hook", "trigger.webhook"),
        node("one", "action.set", values={"text": "{{ trigger.data.text }}"}),
        node("two", "action.template", template="{{ node_one.output.text }}"),
        node("three", "action.set", values={"list": ["{{ node_two.output.text }}"]}),
        node("four", "action.set", values={"text": "{{ node_three.output.list[0] | string }}"}),
        node("five", "action.template", template="<{{ node_four.output.text }}>"),
    )
    _, url = await _hook(alice, graph)
    for text in SEVEN:
        started = await anonymous.post(url, json={"text": text})
        run = await ended(alice, started.json()["execution_id"])
        assert run["status"] == "completed", run["error"]
        steps = (await alice.client.get(f"/executions/{run['id']}/steps")).json()["data"]
        assert f"<{text}>" in str(steps[-1]["output_data"])
        assert "canary-value-1" not in str(steps)


def _answering(*nodes: dict[str, Any], **respond: Any) -> dict[str, Any]:
    return definition(
        node("hook", "trigger.webhook", response="respond_node"),
        node("answer", "action.respond", **respond),
        *nodes,
    )


@pytest.mark.parametrize(
    ("respond", "status", "content", "kind"),
    [
        ({"body": {"got": "{{ trigger.data.n }}"}}, 200, b'{"got":3}', "application/json"),
        ({"status": 201, "body": "made {{ trigger.data.n }}"}, 201, b"made 3", "text/plain; charset=utf-8"),
        (
            {"body": "<b>{{ trigger.data.n }}</b>", "headers": {"content-type": "text/html"}},
            200,
            b"<b>3</b>",
            "text/html",
        ),
        ({"status": 204, "body": "unseen"}, 204, b"", None),
        ({}, 200, b"null", "application/json"),
    ],
    ids=["json", "text", "html", "nothing", "null"],
)
async def test_a_respond_node_says_what_the_caller_gets(
    alice: Person,
    anonymous: httpx.AsyncClient,
    runtime: ExecutionRuntime,
    respond: dict[str, Any],
    status: int,
    content: bytes,
    kind: str | None,
) -> None:
    later = node("after", "action.set", values={"body": "not this", "status": 500, "headers": {}})
    _, url = await _hook(alice, _answering(later, **respond))
    for _ in range(2):  # the second call comes by the hook that is known by then
        answer = await anonymous.post(url, json={"n": 3})
        assert (answer.status_code, answer.content, answer.headers.get("content-type")) == (
            status,
            content,
            kind,
        )
        assert "sandbox" in answer.headers["content-security-policy"]


async def test_a_run_that_reaches_no_respond_node_answers_with_its_id(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    graph = definition(
        node("hook", "trigger.webhook", response="respond_node"),
        node("check", "logic.if_else", condition="{{ trigger.data.n == 1 }}"),
        node("answer", "action.respond", body=1),
        node("out", "action.set", values={"status": 200, "headers": {}, "body": "not an answer"}),
        edges=[("hook", "check"), ("check", "answer", "true"), ("check", "out", "false")],
    )
    agent_id, url = await _hook(alice, graph)
    answer = await anonymous.post(url, json={"n": 2})
    runs = (await alice.client.get(f"/agents/{agent_id}/executions")).json()["data"]
    assert (answer.status_code, answer.json()) == (200, {"execution_id": runs[0]["id"]})


async def test_a_stop_that_fails_the_run_is_502_with_its_message(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    graph = _answering(node("stop", "logic.stop", status="failed", message="No {{ trigger.data.n }}"), body=1)
    _, url = await _hook(alice, graph)
    answer = await anonymous.post(url, json={"n": 3})
    error = answer.json()["error"]
    assert (answer.status_code, error["message"], error["details"]["code"]) == (502, "No 3", "STOPPED")


async def test_a_caller_does_not_wait_for_ever(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "WAIT_SECONDS", 0.2)
    graph = definition(
        node("hook", "trigger.webhook", response="when_finished"),
        node("ask", "human.approval", message="Really?"),
    )
    agent_id, url = await _hook(alice, graph)
    answer = await anonymous.post(url, json={})
    runs = (await alice.client.get(f"/agents/{agent_id}/executions")).json()["data"]
    assert (answer.status_code, answer.json()) == (202, {"execution_id": runs[0]["id"]})


async def test_a_body_over_the_limit_is_refused_before_anything_is_done_with_it(
    alice: Person, anonymous: httpx.AsyncClient
) -> None:
    agent_id, url = await _hook(alice, _graph())
    limit = settings().max_body_bytes

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(limit // 65_536 + 2):
            yield b"x" * 65_536

    for body in (b"x" * (limit + 1), endless()):  # declared, and in chunks
        answer = await anonymous.post(url, content=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert (await alice.client.get(f"/agents/{agent_id}/executions")).json()["data"] == []


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
async def test_a_hook_is_posted_to(alice: Person, anonymous: httpx.AsyncClient, method: str) -> None:
    _, url = await _hook(alice, _graph())
    for path in (url, "/hooks/unknown"):
        answer = await anonymous.request(method, path)
        assert answer.status_code == 405
        if method != "HEAD":
            assert answer.json()["error"]["code"] == "METHOD_NOT_ALLOWED"
