"""What no client of good will sends: always the envelope with a clear code, never a 500."""

import base64
import json
from typing import Any

import httpx
import pytest

from tests.actors import GREETING, Person, definition, node, published

DEEP = "[" * 10_000 + "]" * 10_000
UNKNOWN = "018f0000-0000-7000-8000-000000000000"
JSON = {"Content-Type": "application/json"}


def _code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


UNSTORABLE = {
    "nul": '"\\u0000"',
    "surrogate": '"\\ud800"',
    "nul in a key": '{"\\u0000": 1}',
    "surrogate in a key": '{"\\udfff": 1}',
    "nan": "NaN",
    "infinity": "-Infinity",
    "beyond floats": "1e999",
    "digits without end": "9" * 5000,
    "deep": DEEP,
    "deeper than we take": "[" * 200 + "]" * 200,
    "deep objects": '{"a":' * 10_000 + "1" + "}" * 10_000,
}


@pytest.mark.parametrize("value", UNSTORABLE.values(), ids=UNSTORABLE)
async def test_values_that_cannot_be_stored_are_422_wherever_they_stand(alice: Person, value: str) -> None:
    agent_id = await published(alice, GREETING)
    hook = (await alice.client.get(f"/agents/{agent_id}")).json()
    bodies = {
        f"/agents/{agent_id}/execute": '{"trigger_data": %s}',
        f"/agents/{agent_id}/test": '{"pins": {"start": %s}}',
        f"/agents/{agent_id}/publish": '{"definition": {"nodes": [{"config": %s}]}}',
        "/agents": '{"name": "x", "trigger_config": {"a": %s}}',
        "/auth/login": '{"email": "a@example.com", "password": %s}',
    }
    for path, body in bodies.items():
        answer = await alice.client.post(path, content=(body % value).encode(), headers=JSON)
        assert _code(answer) == (422, "VALIDATION_ERROR"), path
    assert hook["stats"]["executions"] == 0


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/agents", '{"name": "%s"}'),
        ("/agents", '{"name": "x", "description": "%s"}'),
        ("/agents", '{"name": "x", "category": "%s"}'),
        ("/agents", '{"name": "x", "%s": 1}'),
        ("/agents/{}/publish", '{"change_message": "%s"}'),
        ("/agents/{}/test", '{"node": "%s"}'),
        ("/executions/{}/approve", '{"decision": "approved", "comment": "%s"}'),
        ("/auth/login", '{"email": "%s", "password": "x"}'),
        (
            "/auth/signup",
            '{"email": "a@example.com", "password": "long enough", "name": "%s", "org_name": "o"}',
        ),
    ],
)
async def test_texts_that_cannot_be_stored_are_422(alice: Person, path: str, body: str, text: str) -> None:
    answer = await alice.client.post(path.format(UNKNOWN), content=(body % text).encode(), headers=JSON)
    assert _code(answer) == (422, "VALIDATION_ERROR")


LONG = "1234567890123456789012"
"""With a number of that length another reader of JSON takes over."""


AT_A_DOOR = {
    "deep": '{"email": "a@example.com", "password": DEEP, "z": LONG}',
    "deep address": '{"email": DEEP, "z": LONG}',
    "surrogate": '{"email": "\\ud800@example.com", "password": "x", "z": LONG}',
    "nan": '{"email": NaN, "password": "x", "z": LONG}',
    "list": '{"email": ["a@example.com"], "password": "x"}',
    "twice": '{"email": "a@example.com", "email": {"$ne": 1}, "password": "x"}',
}


@pytest.mark.parametrize("path", ["/auth/login", "/auth/signup", "/auth/password/forgot"])
@pytest.mark.parametrize("body", AT_A_DOOR.values(), ids=AT_A_DOOR)
async def test_a_door_looks_at_an_address_in_any_body(
    anonymous: httpx.AsyncClient, path: str, body: str
) -> None:
    content = body.replace("DEEP", DEEP).replace("LONG", LONG).encode()
    assert _code(await anonymous.post(path, content=content, headers=JSON)) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize("page", ["http://[", "http://[::1", "http://a]b", "null", "\u00e9", "//", "http://"])
async def test_a_page_that_cannot_be_named_is_a_foreign_one(anonymous: httpx.AsyncClient, page: str) -> None:
    headers = {"Origin": page.encode("latin-1")}
    answer = await anonymous.post("/auth/refresh", headers=headers)  # type: ignore[arg-type]
    assert _code(answer) == (403, "FOREIGN_ORIGIN")


@pytest.mark.parametrize("length", ["9" * 21, "9" * 5000, "-1", "1e9", "x", ""])
async def test_a_length_that_is_none_is_refused_unread(anonymous: httpx.AsyncClient, length: str) -> None:
    headers = {**JSON, "Content-Length": length}
    assert _code(await anonymous.post("/auth/login", content=b"{}", headers=headers))[0] == 413


@pytest.mark.parametrize(
    "header",
    [DEEP[:12_000], '{"alg": ["HS256"]}', '{"alg": {}}', "[]", "null", "5", '{"alg": "HS256", "crit": 5}'],
)
async def test_a_token_of_any_shape_is_no_token(anonymous: httpx.AsyncClient, header: str) -> None:
    head = base64.urlsafe_b64encode(header.encode()).decode().rstrip("=")
    for token in (
        f"{head}.e30.AAAA",
        f"e30.{head}.AAAA",
        f"{head}..",
        head,
        f"{head}.{head}.{head}.{head}.{head}",
    ):
        answer = await anonymous.get("/agents", headers={"Authorization": f"Bearer {token}"})
        assert _code(answer) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{", b"null", b"[]", b'"x"', b'{"name":'])
async def test_bodies_that_are_no_json_objects_are_422(alice: Person, body: bytes) -> None:
    answer = await alice.client.post("/agents", content=body, headers=JSON)
    assert _code(answer) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize("query", ["search=%00", "category=%00", "limit=0", "order=up", "sort=draft", "x=1"])
async def test_queries_that_make_no_sense_are_422(alice: Person, query: str) -> None:
    answer = await alice.client.get(f"/agents?{query}")
    assert _code(answer) == (422, "VALIDATION_ERROR")


def _cursor(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "\x00",
        _cursor("v", "x", UNKNOWN),
        _cursor("v", True, UNKNOWN),
        _cursor("v", None, UNKNOWN),
        _cursor("v", 2**40, UNKNOWN),
        _cursor("v", 1.5, UNKNOWN),
        _cursor("v", [], UNKNOWN),
        _cursor("t", "2020-01-01", UNKNOWN),
        _cursor("t", 5, UNKNOWN),
        _cursor("v", "\x00", UNKNOWN),
        _cursor("v", 5),
        _cursor("v", 5, 5),
    ],
)
async def test_a_cursor_that_was_tampered_with_is_422(alice: Person, cursor: str) -> None:
    agent_id = await published(alice, GREETING)
    for path in (f"/agents/{agent_id}/versions?sort=version", "/agents", "/executions"):
        answer = await alice.client.get(path, params={"cursor": cursor})
        assert _code(answer) == (422, "VALIDATION_ERROR"), path
    name = await alice.client.get("/agents", params={"sort": "name", "cursor": _cursor("v", "\x00", UNKNOWN)})
    assert _code(name) == (422, "VALIDATION_ERROR")


async def test_sequence_numbers_beyond_all_bounds_are_no_crash(alice: Person) -> None:
    agent_id = await published(alice, GREETING)
    execution_id = (await alice.client.post(f"/agents/{agent_id}/execute", json={})).json()["id"]
    path = f"/executions/{execution_id}/events"
    for after in ("3000000000", "9" * 5000, "-1", "x"):
        assert _code(await alice.client.get(path, params={"after": after})) == (422, "VALIDATION_ERROR")
    await alice.client.post(f"/executions/{execution_id}/cancel")


@pytest.mark.parametrize("method", ["TRACE", "FOO", "PROPFIND"])
async def test_unknown_methods_have_the_envelope(alice: Person, method: str) -> None:
    assert _code(await alice.client.request(method, "/agents")) == (405, "METHOD_NOT_ALLOWED")
    metrics = (await alice.client.get("http://agentflow.test/metrics")).text
    assert f'method="{method}"' not in metrics


@pytest.mark.parametrize("token", ["%00", "%ed%a0%80", "a" * 5000, "..%2f..%2fx", "%f0%9f%98%80"])
async def test_odd_hook_tokens_are_404(anonymous: httpx.AsyncClient, token: str) -> None:
    assert (await anonymous.post(f"/hooks/{token}", content=b"{}")).status_code == 404


_NODES = [node(f"n{place}", "action.template", template="x") for place in range(1001)]
_RING = [(f"n{place}", f"n{(place + 1) % 1000}") for place in range(1000)]
_VALUES = {f"k{place}": f"{{{{ trigger.data.x{place} }}}}" for place in range(15_000)}


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("graph", "code"),
    [
        (definition(*_NODES, edges=[]), "INVALID_CONFIG"),
        (definition(*_NODES[:2], edges=[("n0", "n1")] * 5001), "INVALID_CONFIG"),
        (definition(*_NODES[:1000], edges=[*_RING, *_RING]), "DUPLICATE_ID"),
        (definition(*_NODES[:1000], edges=_RING), "CYCLE"),
        (definition(node("all", "action.set", values=_VALUES)), "BAD_EXPRESSION"),
        (
            definition(node("a", "action.template", template="{{ " + "1+" * 200_000 + "1 }}")),
            "BAD_EXPRESSION",
        ),
        (definition(node("a", "action.template", template="x") | {"label": "x" * 256}), "INVALID_CONFIG"),
        (definition(node("a", "action." + "x" * 200)), "INVALID_CONFIG"),
        (definition(*_NODES[:2], edges=[("n0", "n1", "x" * 101)]), "INVALID_CONFIG"),
    ],
)
async def test_definitions_without_measure_are_refused(
    alice: Person, graph: dict[str, Any], code: str
) -> None:
    made = (await alice.client.post("/agents", json={"name": "x"})).json()
    for place, edge in enumerate(graph["edges"]):
        edge["id"] = f"e{place % 1000}"
    answer = await alice.client.post(f"/agents/{made['id']}/publish", json={"definition": graph})
    assert _code(answer) == (422, "INVALID_DEFINITION")
    assert code in {problem["code"] for problem in answer.json()["error"]["details"]["problems"]}


async def _refused_in_time(alice: Person, schema: dict[str, Any], data: Any) -> None:
    graph = definition(node("start", "trigger.manual", input_schema=schema))
    agent_id = await published(alice, graph)
    answer = await alice.client.post(f"/agents/{agent_id}/execute", json={"trigger_data": data})
    assert _code(answer) == (422, "VALIDATION_ERROR")


@pytest.mark.timeout(20)
async def test_a_schema_cannot_hang_whoever_checks_by_it(alice: Person) -> None:
    await _refused_in_time(alice, {"type": "string", "pattern": "^(a+)+$"}, "a" * 5000 + "!")
    await _refused_in_time(alice, {"$ref": "#"}, {})
    doubling = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
    await _refused_in_time(alice, {"$defs": doubling | {"d40": True}, "$ref": "#/$defs/d0"}, {})
    await _refused_in_time(alice, {"uniqueItems": True}, [{"n": n} for n in range(50_000)])


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "("},
        {"pattern": "(?=a)b"},
        {"$ref": "http://127.0.0.1/x"},
        {"$dynamicRef": "http://127.0.0.1/x"},
        {"patternProperties": {"(a+)+$": True}},
        {"type": 5},
    ],
)
async def test_a_schema_that_cannot_be_applied_is_not_published(
    alice: Person, schema: dict[str, Any]
) -> None:
    made = (await alice.client.post("/agents", json={"name": "x"})).json()
    graph = definition(node("start", "trigger.manual", input_schema=schema))
    answer = await alice.client.post(f"/agents/{made['id']}/publish", json={"definition": graph})
    assert _code(answer) == (422, "INVALID_DEFINITION")
    assert answer.json()["error"]["details"]["problems"][0]["code"] == "INVALID_CONFIG"
