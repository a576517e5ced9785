"""Public forms: whoever has the address fills in what the schema asks for, and a run starts."""

import html
import re
from typing import Any

import httpx
import pytest

from agentflow_app.executions.runtime import ExecutionRuntime
from tests.actors import GREETING, Person, definition, ended, node, published

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "Your <b>name</b>", "minLength": 2},
        "age": {"type": "integer", "description": 'In "years"', "maximum": 150},
        "size": {"enum": ["small", "large"]},
        "agree": {"type": "boolean"},
    },
    "required": ["name"],
}
FORM = definition(
    node("form", "trigger.form", input_schema=SCHEMA),
    node("out", "action.template", template="Hello {{ trigger.data.name }}"),
)
HOSTILE = '"><script>alert(1)</script>{{ 7 * 7 }}'


async def _form(person: Person, graph: dict[str, Any] = FORM, **fields: Any) -> tuple[str, str]:
    """The agent's id and its form's path."""
    agent_id = await published(person, graph, **fields)
    agent = (await person.client.get(f"/agents/{agent_id}")).json()
    return agent_id, agent["trigger_config"]["form_url"].removeprefix("/api/v1")


async def _runs(person: Person, agent_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await person.client.get(f"/agents/{agent_id}/executions")).json()["data"]
    return found


def _key(page: str) -> str:
    found = re.search(r'name="_form" value="([^"]+)"', page)
    assert found
    return found[1]


async def test_the_page_is_drawn_from_the_schema(alice: Person, anonymous: httpx.AsyncClient) -> None:
    _, path = await _form(alice, name=f"Contact {HOSTILE}", description=f"Write to us {HOSTILE}")
    page = await anonymous.get(path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["content-security-policy"]
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
    assert page.headers["cache-control"] == "no-store"
    assert "<script" not in page.text
    assert "<b>" not in page.text
    assert html.escape(HOSTILE) in page.text
    assert "Your &lt;b&gt;name&lt;/b&gt;" in page.text
    for drawn in (
        'name="name" aria-describedby="field-name-note" required',
        'type="number" step="any" id="field-age"',
        '<option value="large">',
        'type="checkbox" id="field-agree"',
        "In &quot;years&quot;",
    ):
        assert drawn in page.text


async def test_sending_it_starts_one_run(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    agent_id, path = await _form(alice)
    key = _key((await anonymous.get(path)).text)
    sent = {"_form": key, "name": HOSTILE, "age": "36", "size": "large", "agree": "on"}
    for _ in range(2):
        answer = await anonymous.post(path, data=sent)
        assert answer.status_code == 200
        assert "Thank you" in answer.text
    (run,) = await _runs(alice, agent_id)
    run = await ended(alice, run["id"])
    assert (run["triggered_by"], run["status"]) == ("form", "completed")
    assert run["trigger_data"] == {"name": HOSTILE, "age": 36, "size": "large", "agree": True}
    assert run["output"]["text"] == f"Hello {HOSTILE}"
    await anonymous.post(path, data={**sent, "name": "Somebody else"})
    assert len(await _runs(alice, agent_id)) == 2


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"name": "A"}, "is too short"),
        ({"name": "Ada", "age": "151"}, "is greater than the maximum"),
        ({"name": "Ada", "age": HOSTILE}, "is not of type"),
        ({"name": "Ada", "size": "huge"}, "is not one of"),
        ({}, "is a required property"),
    ],
    ids=["short", "large", "type", "choice", "missing"],
)
async def test_what_does_not_fit_is_shown_with_what_was_typed(
    alice: Person, anonymous: httpx.AsyncClient, sent: dict[str, str], told: str
) -> None:
    agent_id, path = await _form(alice)
    answer = await anonymous.post(path, data=sent)
    assert answer.status_code == 422
    assert told in answer.text
    assert "<script" not in answer.text
    if "name" in sent:
        assert f'value="{sent["name"]}"' in answer.text
    assert await _runs(alice, agent_id) == []


async def test_programs_send_json(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    agent_id, path = await _form(alice)
    refused = await anonymous.post(path, json={"name": "A"})
    assert (refused.status_code, list(refused.json()["error"]["details"]["fields"])) == (
        422,
        ["trigger_data.name"],
    )
    broken = await anonymous.post(path, content=b"{", headers={"Content-Type": "application/json"})
    assert broken.status_code == 422
    key = {"Idempotency-Key": "one"}
    answers = [await anonymous.post(path, json={"name": "Ada"}, headers=key) for _ in range(2)]
    assert [each.status_code for each in answers] == [202, 202]
    (run,) = await _runs(alice, agent_id)
    assert {each.json()["execution_id"] for each in answers} == {run["id"]}
    await ended(alice, run["id"])


async def test_a_form_without_a_schema_asks_for_a_message(
    alice: Person, anonymous: httpx.AsyncClient, runtime: ExecutionRuntime
) -> None:
    graph = definition(node("form", "trigger.form"), node("out", "action.set", values={"a": 1}))
    agent_id, path = await _form(alice, graph)
    assert '<textarea id="field-message"' in (await anonymous.get(path)).text
    assert (await anonymous.post(path, data={"message": "one\r\ntwo"})).status_code == 200
    (run,) = await _runs(alice, agent_id)
    assert (await ended(alice, run["id"]))["trigger_data"] == {"message": "one\ntwo"}


async def test_what_is_not_there_looks_like_what_is_paused(
    alice: Person, mallory: Person, anonymous: httpx.AsyncClient
) -> None:
    agent_id, path = await _form(alice)
    unknown = await anonymous.get("/public/forms/unknown")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "FORM_NOT_FOUND")

    async def gone() -> None:
        for answer in (await anonymous.get(path), await anonymous.post(path, data={"name": "Ada"})):
            assert (answer.status_code, answer.json()) == (404, unknown.json())

    await alice.client.put(f"/agents/{agent_id}/status", json={"status": "paused"})
    await gone()
    await alice.client.put(f"/agents/{agent_id}/status", json={"status": "active"})
    assert (await anonymous.get(path)).status_code == 200
    await alice.client.post(f"/agents/{agent_id}/publish", json={"definition": GREETING})
    await gone()
    await alice.client.delete(f"/agents/{agent_id}")
    await gone()
    altered = path[:-20] + ("A" if path[-20] != "A" else "B") + path[-19:]
    assert (await anonymous.get(altered)).json() == unknown.json()


async def test_a_form_and_a_webhook_beside_another_trigger_have_their_addresses(
    alice: Person, bob: Person, runtime: ExecutionRuntime, anonymous: httpx.AsyncClient
) -> None:
    graph = definition(
        node("clock", "trigger.schedule", cron="0 3 * * *"),
        node("hook", "trigger.webhook"),
        node("form", "trigger.form", input_schema=SCHEMA),
        node("out", "action.template", template="Hello {{ trigger.data.name }}"),
        edges=[("clock", "out"), ("hook", "out"), ("form", "out")],
    )
    agent_id = await published(alice, graph)
    shown = (await alice.client.get(f"/agents/{agent_id}")).json()
    assert shown["trigger_type"] == "schedule"
    for name in ("form_url", "webhook_url"):
        path = shown["trigger_config"][name].removeprefix("/api/v1")
        assert (await anonymous.post(path, json={"name": "Ada"})).status_code == 202
        assert name not in (await bob.client.get(f"/agents/{agent_id}")).text
    for run in await _runs(alice, agent_id):
        assert (await ended(alice, run["id"]))["output"] == {"text": "Hello Ada"}
    await alice.client.post(f"/agents/{agent_id}/publish", json={"definition": GREETING})
    assert "form_url" not in (await alice.client.get(f"/agents/{agent_id}")).json()["trigger_config"]


async def test_only_who_may_start_runs_sees_the_address(alice: Person, bob: Person) -> None:
    agent_id, _ = await _form(alice)
    assert "form_url" not in (await bob.client.get(f"/agents/{agent_id}")).text


async def test_more_fields_than_a_form_has_are_refused(alice: Person, anonymous: httpx.AsyncClient) -> None:
    agent_id, path = await _form(alice)
    body = "&".join(f"f{n}=1" for n in range(600))
    answer = await anonymous.post(
        path, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 422
    assert await _runs(alice, agent_id) == []
