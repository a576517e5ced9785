"""What every call shares: the envelope, request ids, limits, health."""

import httpx
import pytest
from fastapi import FastAPI

from agentflow_app.core.settings import Settings
from tests.actors import Person


async def test_unknown_paths_and_methods_have_the_envelope(anonymous: httpx.AsyncClient) -> None:
    unknown = await anonymous.get("/nothing/here")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "NOT_FOUND")
    outside = await anonymous.get("http://agentflow.test/api/nothing")
    assert (outside.status_code, outside.json()["error"]["code"]) == (404, "NOT_FOUND")
    method = await anonymous.delete("/auth/login")
    assert (method.status_code, method.json()["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")


async def test_every_answer_has_a_request_id(anonymous: httpx.AsyncClient) -> None:
    made = (await anonymous.get("/nothing")).headers["X-Request-ID"]
    assert len(made) == 36
    kept = await anonymous.get("/nothing", headers={"X-Request-ID": "my-request-1"})
    assert kept.headers["X-Request-ID"] == "my-request-1"
    odd = await anonymous.get("/nothing", headers={"X-Request-ID": "no spaces <b>"})
    assert odd.headers["X-Request-ID"] != "no spaces <b>"


async def test_ids_that_are_none_are_not_found(alice: Person) -> None:
    answer = await alice.client.get("/agents/not-an-id")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_broken_json_is_422(alice: Person) -> None:
    answer = await alice.client.post(
        "/agents", content=b"{nope", headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize("declared", [True, False])
async def test_large_bodies_are_413(alice: Person, settings: Settings, declared: bool) -> None:
    size = settings.max_body_bytes + 1

    async def chunks() -> object:
        for _ in range(size // 1024 + 1):
            yield b"x" * 1024

    content = b"x" * size if declared else chunks()
    answer = await alice.client.post("/agents", content=content)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_a_crash_is_500_without_its_reason(api: FastAPI, alice: Person, monkeypatch: object) -> None:
    from agentflow_app.agents.service import AgentService

    async def boom(*_: object) -> None:
        raise RuntimeError("secret detail")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AgentService, "list", boom)
        answer = await alice.client.get("/agents")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "INTERNAL_ERROR")
    assert "secret detail" not in answer.text
    assert answer.headers["X-Request-ID"]


async def test_health(api: FastAPI, anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get("http://agentflow.test/healthz")).json() == {"status": "ok"}
    ready = await anonymous.get("http://agentflow.test/readyz")
    assert ready.status_code == 200
    assert ready.json()["checks"]["database"] == "ok"
    assert ready.json()["checks"]["redis"] == "ok"
    assert "python_info" in (await anonymous.get("http://agentflow.test/metrics")).text


async def test_openapi_lists_the_calls(anonymous: httpx.AsyncClient) -> None:
    paths = (await anonymous.get("/openapi.json")).json()["paths"]
    assert "/api/v1/agents/{agent_id}/execute" in paths
    assert (await anonymous.get("/docs")).status_code == 200


async def test_calls_are_logged_by_route_and_never_by_their_secret_path(
    anonymous: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="agentflow_app"):
        await anonymous.post("/hooks/a-secret-token", headers={"X-Request-ID": "my-request-2"})
    lines = [vars(record) for record in caplog.records if record.getMessage() == "Request"]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "/hooks/{token}", 404)
    ]
    assert not any("a-secret-token" in str(line) for line in lines)
