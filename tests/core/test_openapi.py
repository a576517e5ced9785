"""Whatever the API's description allows, and what it does not, never ends in an error of ours."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode

from agentflow_app.api import create_api
from tests.actors import GREETING, Person, published

CASES = 8
"""Of each call, with data as described and with data that is not; half of them with ids that exist."""


def operations() -> list[APIOperation[Any, Any, Any, Any]]:
    found = schemathesis.openapi.from_dict(create_api().openapi()).get_all_operations()
    return [operation.ok() for operation in found if not operation.ok().path.endswith("/events")]


def cases(operation: APIOperation[Any, Any, Any, Any]) -> list[Case]:
    drawn: list[Case] = []
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @settings(
            max_examples=CASES,
            database=None,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def draw(case: Case) -> None:
            drawn.append(case)

        with suppress(Unsatisfiable):  # a call that takes nothing cannot be given anything wrong
            draw()
    return drawn


@pytest.mark.parametrize("operation", operations(), ids=lambda each: f"{each.method.upper()} {each.path}")
async def test_no_call_that_can_be_thought_of_crashes(
    api: FastAPI, alice: Person, operation: APIOperation[Any, Any, Any, Any]
) -> None:
    agent_id = await published(alice, GREETING)
    started = await alice.client.post(f"/agents/{agent_id}/execute", json={})
    known = {"agent_id": agent_id, "execution_id": started.json()["id"]}
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    scim = operation.path.startswith("/api/v1/scim/")
    token = (await alice.client.post("/org/sso/scim-token")).json()["token"] if scim else alice.token
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, headers=headers) as client:
        for number, case in enumerate(cases(operation)):
            if number % 2 and isinstance(case.path_parameters, dict):
                case.path_parameters |= {k: v for k, v in known.items() if k in case.path_parameters}
            if case.query:
                case.query.pop("wait", None)  # nobody runs anything here
            request = case.as_transport_kwargs(base_url="http://agentflow.test")
            answer = await client.request(
                request["method"],
                request["url"],
                params=request.get("params"),
                headers=_sendable(request.get("headers") or {}),
                json=request.get("json"),
                content=request.get("data") if isinstance(request.get("data"), (str, bytes)) else None,
            )
            assert answer.status_code < 500, (case.as_curl_command(), answer.text)
            if answer.status_code >= 400:
                told = set(answer.json()) - {"scimType"}
                assert told == ({"schemas", "status", "detail"} if scim else {"error"}), answer.text


def _sendable(headers: Any) -> dict[str, str]:
    ours = ("authorization", "user-agent")
    return {name: value for name, value in headers.items() if name.lower() not in ours}


def _bodies(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What each call takes as JSON, by its name."""
    return {
        f"{method.upper()} {path}": body["schema"]
        for path, calls in document["paths"].items()
        for method, call in calls.items()
        if (body := call.get("requestBody", {}).get("content", {}).get("application/json"))
    }


def _open_objects(schema: dict[str, Any], parts: dict[str, Any], seen: set[str]) -> Iterator[str]:
    """Objects with names of their own that take others beside them."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        if name not in seen:
            seen.add(name)
            yield from _open_objects({"title": name, **parts[name]}, parts, seen)
        return
    if schema.get("properties") and schema.get("additionalProperties") is not False:
        yield schema.get("title", "?")
    for inner in (*schema.get("properties", {}).values(), *_branches(schema)):
        yield from _open_objects(inner, parts, seen)


def _branches(schema: dict[str, Any]) -> list[dict[str, Any]]:
    found = [each for key in ("anyOf", "oneOf", "allOf") for each in schema.get(key, ())]
    found += [schema[key] for key in ("items", "additionalProperties") if isinstance(schema.get(key), dict)]
    return found


def test_no_body_takes_what_it_does_not_name() -> None:
    document = create_api().openapi()
    parts = document["components"]["schemas"]
    bodies = {call: schema for call, schema in _bodies(document).items() if "/scim/" not in call}
    assert len(bodies) > 40  # clients of SCIM send more than is kept
    open_ones = {call: sorted(_open_objects(schema, parts, set())) for call, schema in bodies.items()}
    assert {call: names for call, names in open_ones.items() if names} == {}
