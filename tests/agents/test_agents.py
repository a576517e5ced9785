"""Agents over REST: create, list, change, draft, publish, versions, archive."""

import httpx
import pytest

from agentflow_app.core.ids import new_id
from tests.actors import GREETING, Person, definition, node, published


async def _draft(person: Person, **fields: object) -> dict[str, object]:
    answer = await person.client.post("/agents", json={"name": "Router", **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, object] = answer.json()
    return made


async def test_create_answers_with_the_agent_and_where_it_is(alice: Person) -> None:
    answer = await alice.client.post(
        "/agents",
        json={
            "name": "Lead Router",
            "description": "Routes leads",
            "trigger_type": "webhook",
            "settings": {"timeout_seconds": 300, "max_retries": 2, "concurrency_limit": 5},
        },
    )
    agent = answer.json()
    assert answer.headers["Location"] == f"/api/v1/agents/{agent['id']}"
    assert agent["status"] == "draft"
    assert agent["latest_version"] is None
    assert agent["slug"].startswith("lead-router")
    assert agent["trigger_config"]["webhook_url"].startswith("/api/v1/hooks/")
    assert agent["settings"]["concurrency_limit"] == 5
    draft = (await alice.client.get(f"/agents/{agent['id']}/draft")).json()
    assert [n["subtype"] for n in draft["definition"]["nodes"]] == ["webhook"]
    assert draft["revision"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x", "trigger_type": "smoke_signal"}, "trigger_type"),
        ({"name": "x", "settings": {"timeout_seconds": -1}}, "settings.timeout_seconds"),
        ({"name": "x", "org_id": "1"}, "org_id"),
        ({"name": "x", "status": "active"}, "status"),
    ],
)
async def test_bad_agents_name_the_field(alice: Person, body: dict[str, object], field: str) -> None:
    answer = await alice.client.post("/agents", json=body)
    assert answer.status_code == 422
    assert field in answer.json()["error"]["details"]["fields"]


async def test_the_list_pages_searches_and_filters(alice: Person) -> None:
    for name in ("Alpha", "Beta", "Gamma 100%"):
        await _draft(alice, name=name)
    first = (await alice.client.get("/agents", params={"limit": 2, "sort": "name", "order": "asc"})).json()
    await _draft(alice, name="Aaron")
    second = (
        await alice.client.get(
            "/agents", params={"limit": 2, "sort": "name", "order": "asc", "cursor": first["next_cursor"]}
        )
    ).json()
    assert [a["name"] for a in first["data"]] == ["Alpha", "Beta"]
    assert [a["name"] for a in second["data"]] == ["Gamma 100%"]
    assert second["next_cursor"] is None
    found = (await alice.client.get("/agents", params={"search": "0%"})).json()
    assert [a["name"] for a in found["data"]] == ["Gamma 100%"]
    assert (await alice.client.get("/agents", params={"status": "active"})).json()["data"] == []


@pytest.mark.parametrize(
    "params", [{"cursor": "nonsense"}, {"limit": 0}, {"limit": 101}, {"sort": "secret"}, {"colour": "red"}]
)
async def test_bad_list_parameters_are_422(alice: Person, params: dict[str, str]) -> None:
    assert (await alice.client.get("/agents", params=params)).status_code == 422


async def test_update_changes_what_is_given(alice: Person) -> None:
    agent = await _draft(alice, description="old")
    answer = await alice.client.put(f"/agents/{agent['id']}", json={"name": "New", "category": "Sales"})
    assert (answer.json()["name"], answer.json()["description"]) == ("New", "old")
    cleared = await alice.client.put(f"/agents/{agent['id']}", json={"description": None})
    assert cleared.json()["description"] is None


async def test_a_draft_is_saved_with_its_revision(alice: Person) -> None:
    agent = await _draft(alice)
    url = f"/agents/{agent['id']}/draft"
    saved = (await alice.client.put(url, json={"definition": GREETING, "revision": 1})).json()
    assert saved["revision"] == 2
    assert saved["problems"] == []
    stale = await alice.client.put(url, json={"definition": definition(), "revision": 1})
    assert stale.status_code == 409
    assert stale.json()["error"]["code"] == "DRAFT_CONFLICT"
    details = stale.json()["error"]["details"]
    assert details["current"]["revision"] == 2
    assert details["current"]["definition"]["nodes"] == GREETING["nodes"]
    assert details["yours"]["definition"]["nodes"] == []
    same = (await alice.client.put(url, json={"definition": GREETING, "revision": 2})).json()
    assert same["revision"] == 2


async def test_a_draft_may_be_unfinished_but_must_parse(alice: Person) -> None:
    agent = await _draft(alice)
    url = f"/agents/{agent['id']}/draft"
    unfinished = definition(node("a", "action.unheard_of"), edges=[("a", "b")])
    saved = (await alice.client.put(url, json={"definition": unfinished, "revision": 1})).json()
    assert {problem["code"] for problem in saved["problems"]} >= {"UNKNOWN_KIND", "UNKNOWN_NODE"}
    for broken in (
        {"nodes": [], "edges": [], "colour": "red"},
        {"nodes": [{"id": 1, "type": "action", "subtype": "set"}]},
        {"schema_version": 2},
        definition(node("a", "action.set", values={"x": "a\u0000b"})),
    ):
        answer = await alice.client.put(url, json={"definition": broken, "revision": 2})
        assert answer.status_code == 422, broken
    assert (await alice.client.get(url)).json()["revision"] == 2


async def test_publish_makes_versions_nodes_and_edges(alice: Person) -> None:
    agent = await _draft(alice)
    url = f"/agents/{agent['id']}"
    await alice.client.put(f"{url}/draft", json={"definition": GREETING, "revision": 1})
    first = await alice.client.post(f"{url}/publish", json={"change_message": "First"})
    assert first.status_code == 201
    assert first.headers["Location"] == f"/api/v1{url}/versions/1"
    assert first.json()["version"] == 1
    assert first.json()["is_published"] is True
    changed = definition(*GREETING["nodes"], node("more", "action.set", values={"a": 1}))
    second = await alice.client.post(f"{url}/publish", json={"definition": changed})
    assert second.json()["version"] == 2
    live = (await alice.client.get(url)).json()
    assert (live["status"], live["latest_version"], live["trigger_type"]) == ("active", 2, "manual")
    versions = (await alice.client.get(f"{url}/versions")).json()["data"]
    assert [(v["version"], v["is_published"]) for v in versions] == [(2, True), (1, False)]
    diff = (await alice.client.get(f"{url}/versions/1/diff/2")).json()["parts"]
    assert [(p["kind"], p["id"], p["change"]) for p in diff] == [
        ("node", "more", "added"),
        ("edge", "e1", "added"),
    ]
    restored = (await alice.client.post(f"{url}/versions/1/restore")).json()
    assert restored["definition"]["nodes"] == GREETING["nodes"]
    assert (await alice.client.get(f"{url}/versions/9")).json()["error"]["code"] == "VERSION_NOT_FOUND"


async def test_publishing_a_given_graph_leaves_edits_in_the_draft_alone(alice: Person) -> None:
    agent = await _draft(alice)
    url = f"/agents/{agent['id']}"
    edited = definition(node("mine", "action.set", values={}))
    await alice.client.put(f"{url}/draft", json={"definition": edited, "revision": 1})
    await alice.client.post(f"{url}/publish", json={"definition": GREETING})
    assert (await alice.client.get(f"{url}/draft")).json()["definition"]["nodes"] == edited["nodes"]


@pytest.mark.parametrize(
    ("graph", "code"),
    [
        (definition(node("a", "action.nothing")), "UNKNOWN_KIND"),
        (definition(node("a", "action.template")), "INVALID_CONFIG"),
        (definition(node("a", "action.set", values={}), edges=[("a", "zz")]), "UNKNOWN_NODE"),
        (definition(node("Bad Id", "action.set", values={})), "INVALID_ID"),
        (definition(node("a", "action.template", template="{{ node_zz.output }}")), "UNKNOWN_REFERENCE"),
        (definition(node("a", "action.template", template="{{ 1 +")), "BAD_EXPRESSION"),
        (definition(node("a", "ai.chat", model="nope", prompt="hi")), "UNKNOWN_MODEL"),
        (
            definition(
                node("a", "action.set", values={}),
                node("b", "action.set", values={}),
                edges=[("a", "b"), ("b", "a")],
            ),
            "CYCLE",
        ),
    ],
)
async def test_publish_refuses_what_would_not_run(alice: Person, graph: dict[str, object], code: str) -> None:
    agent = await _draft(alice)
    answer = await alice.client.post(f"/agents/{agent['id']}/publish", json={"definition": graph})
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == "INVALID_DEFINITION"
    assert code in {problem["code"] for problem in error["details"]["problems"]}
    assert all(problem["message"] for problem in error["details"]["problems"])
    after = (await alice.client.get(f"/agents/{agent['id']}")).json()
    assert (after["status"], after["latest_version"]) == ("draft", None)


async def test_status_and_archive(alice: Person) -> None:
    agent = await _draft(alice)
    url = f"/agents/{agent['id']}"
    early = await alice.client.put(f"{url}/status", json={"status": "active"})
    assert (early.status_code, early.json()["error"]["code"]) == (409, "AGENT_NOT_ACTIVE")
    await alice.client.post(f"{url}/publish", json={"definition": GREETING})
    paused = await alice.client.put(f"{url}/status", json={"status": "paused"})
    assert paused.json()["status"] == "paused"
    refused = await alice.client.post(f"{url}/execute", json={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "AGENT_NOT_ACTIVE")
    assert (await alice.client.delete(url)).status_code == 204
    assert (await alice.client.delete(url)).status_code == 204
    assert (await alice.client.get(url)).json()["status"] == "archived"
    assert (await alice.client.get(f"{url}/versions/1")).status_code == 200
    assert (await alice.client.get("/agents")).json()["data"] == []
    archived = (await alice.client.get("/agents", params={"status": "archived"})).json()["data"]
    assert [a["id"] for a in archived] == [agent["id"]]
    assert (await alice.client.post(f"{url}/publish", json={})).status_code == 409
    back = await alice.client.put(f"{url}/status", json={"status": "active"})
    assert back.json()["status"] == "active"


async def test_a_viewer_reads_and_changes_nothing(alice: Person, bob: Person) -> None:
    agent_id = await published(alice, GREETING)
    assert (await bob.client.get(f"/agents/{agent_id}")).status_code == 200
    for answer in (
        await bob.client.post("/agents", json={"name": "x"}),
        await bob.client.put(f"/agents/{agent_id}", json={"name": "x"}),
        await bob.client.put(f"/agents/{agent_id}/draft", json={"definition": {}, "revision": 1}),
        await bob.client.post(f"/agents/{agent_id}/publish", json={}),
        await bob.client.put(f"/agents/{agent_id}/status", json={"status": "paused"}),
        await bob.client.post(f"/agents/{agent_id}/execute", json={}),
        await bob.client.post(f"/agents/{agent_id}/test", json={}),
        await bob.client.delete(f"/agents/{agent_id}"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")


async def test_another_organization_sees_what_does_not_exist(alice: Person, mallory: Person) -> None:
    agent_id = await published(alice, GREETING)
    for path in ("", "/draft", "/versions", "/versions/1", "/executions"):
        theirs = await mallory.client.get(f"/agents/{agent_id}{path}")
        nobodys = await mallory.client.get(f"/agents/{(unknown := str(new_id()))}{path}")
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.text.replace(agent_id, "?") == nobodys.text.replace(unknown, "?")
    for method, path, body in (
        ("PUT", "", {"name": "x"}),
        ("DELETE", "", None),
        ("PUT", "/draft", {"definition": {}, "revision": 1}),
        ("POST", "/publish", {}),
        ("PUT", "/status", {"status": "paused"}),
        ("POST", "/execute", {}),
        ("POST", "/test", {}),
        ("POST", "/versions/1/restore", None),
    ):
        answer = await mallory.client.request(method, f"/agents/{agent_id}{path}", json=body)
        assert answer.status_code == 404, (method, path)
    assert (await mallory.client.get("/agents")).json()["data"] == []
    assert (await alice.client.get(f"/agents/{agent_id}")).json()["name"] == "Agent"


async def test_an_idempotency_key_gives_the_first_answer_again(alice: Person) -> None:
    headers = {"Idempotency-Key": new_id().hex}
    first = await alice.client.post("/agents", json={"name": "Once"}, headers=headers)
    again = await alice.client.post("/agents", json={"name": "Once"}, headers=headers)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert again.headers["Location"] == first.headers["Location"]
    other = await alice.client.post("/agents", json={"name": "Twice"}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert len((await alice.client.get("/agents")).json()["data"]) == 1


async def test_idempotency_keys_belong_to_their_caller(alice: Person, mallory: Person) -> None:
    headers = {"Idempotency-Key": new_id().hex}
    mine = await alice.client.post("/agents", json={"name": "Once"}, headers=headers)
    hers = await mallory.client.post("/agents", json={"name": "Once"}, headers=headers)
    assert hers.status_code == 201
    assert hers.json()["id"] != mine.json()["id"]


async def test_a_failed_call_leaves_its_key_free(alice: Person) -> None:
    headers = {"Idempotency-Key": new_id().hex}
    assert (await alice.client.post("/agents", json={"name": ""}, headers=headers)).status_code == 422
    assert (await alice.client.post("/agents", json={"name": "ok"}, headers=headers)).status_code == 201
    long = await alice.client.post("/agents", json={"name": "ok"}, headers={"Idempotency-Key": "x" * 300})
    assert long.status_code == 422


async def test_a_call_that_still_runs_is_409(alice: Person) -> None:
    import asyncio

    headers = {"Idempotency-Key": new_id().hex}
    answers = await asyncio.gather(
        *(alice.client.post("/agents", json={"name": "Race"}, headers=headers) for _ in range(5))
    )
    codes = {answer.status_code for answer in answers}
    assert codes <= {201, 409}
    assert 201 in codes
    assert all(a.headers.get("Retry-After") for a in answers if a.status_code == 409)
    assert len((await alice.client.get("/agents")).json()["data"]) == 1


async def test_the_schema_of_definitions_is_public(anonymous: httpx.AsyncClient) -> None:
    schema = (await anonymous.get("/schemas/definition")).json()
    assert set(schema["properties"]) >= {"nodes", "edges", "schema_version"}
    kinds = {(kind["type"], kind["subtype"]) for kind in (await anonymous.get("/node-kinds")).json()}
    assert ("action", "template") in kinds
