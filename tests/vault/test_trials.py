"""Trying a credential: one request to its own host, and nothing of the answer comes out."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from agentflow_app.audit.models import AuditLog
from agentflow_app.core import ratelimit
from agentflow_app.core.database import database
from agentflow_app.core.settings import Settings
from engine.testing import LocalEgress
from tests.actors import Person
from tests.engine.http_server import Answer, Request, serving
from tests.vault.test_runs import keep
from tests.vault.test_vault import dumped

CANARY = "canary/9b2e+41=of a trial"
"""Others of these tests keep theirs as a variable, which is no secret."""


@pytest.fixture
def trial_egress(local_egress: LocalEgress, monkeypatch: pytest.MonkeyPatch) -> LocalEgress:
    monkeypatch.setattr("agentflow_app.vault.trials.egress", lambda: local_egress)
    return local_egress


def echo(request: Request) -> Answer:
    status = {"/denied": 401, "/away": 302}.get(request.path.partition("?")[0], 200)
    return Answer(status, {"headers": request.headers}, {"Location": "/elsewhere", "X-Told": CANARY})


async def _try(person: Person, credential_id: str, **body: Any) -> Any:
    return await person.client.post(f"/org/credentials/{credential_id}/test", json=body)


async def _tested(person: Person) -> list[dict[str, Any]]:
    async with database().transaction(person.actor) as tx:
        query = select(col(AuditLog.details)).where(col(AuditLog.action) == "credential.tested")
        return list((await tx.execute(query.order_by(col(AuditLog.seq)))).scalars())


async def test_it_tells_status_and_time_and_nothing_else(
    alice: Person, trial_egress: LocalEgress, settings: Settings
) -> None:
    async with serving(echo) as server:
        made = {"name": "API", "type": "bearer", "value": CANARY, "allowed_hosts": [server.url]}
        credential_id = await keep(alice, "credentials", **made)
        good = await _try(alice, credential_id)
        assert good.status_code == 200, good.text
        assert good.json() | {"duration_ms": 0} == {
            "ok": True,
            "status": 200,
            "problem": None,
            "duration_ms": 0,
            "url": f"{server.url}/",
        }
        denied = await _try(alice, credential_id, url=f"{server.url}/denied?token=of+the+caller")
        assert (denied.json()["ok"], denied.json()["status"]) == (False, 401)
        away = await _try(alice, credential_id, url=f"{server.url}/away")
        assert (away.json()["ok"], away.json()["status"]) == (True, 302)
    assert [(each.method, each.path) for each in server.requests] == [
        ("GET", "/"),
        ("GET", "/denied?token=of+the+caller"),
        ("GET", "/away"),
    ]
    assert {each.headers["authorization"] for each in server.requests} == {f"Bearer {CANARY}"}
    for answer in (good, denied, away):
        assert "canary" not in answer.text
        assert "caller" not in answer.text
    assert await _tested(alice) == [{"name": "API", "host": "api.test"}] * 3
    assert b"canary/9b2e" not in dumped(settings)
    shown = (await alice.client.get(f"/org/credentials/{credential_id}")).json()
    assert shown["last_used_at"]
    gone = await _try(alice, credential_id)
    assert gone.json()["status"] is None
    assert "could not be reached" in gone.json()["problem"]


async def test_it_goes_nowhere_but_to_its_own_hosts(alice: Person, trial_egress: LocalEgress) -> None:
    async with serving(echo) as server:
        made = {"name": "API", "type": "bearer", "value": CANARY, "allowed_hosts": [server.url]}
        credential_id = await keep(alice, "credentials", **made)
        for url in (
            "https://evil.example.com/",
            f"https://api.test:{server.port}/",
            "http://api.test/",
            f"http://api.test.evil.example:{server.port}/",
            f"http://me:you@api.test:{server.port}/",
            "not an address",
            "http://[",
            "",
        ):
            answer = await _try(alice, credential_id, url=url)
            assert answer.status_code == 422, (url, answer.text)
            assert list(answer.json()["error"]["details"]["fields"]) == ["url"]
        limits = {"settings": {"egress_allowed_hosts": ["other.example.com"]}}
        assert (await alice.client.put("/org", json=limits)).status_code == 200
        shut = await _try(alice, credential_id)
        assert shut.json()["ok"] is False
        assert "not among the hosts that this organization allows" in shut.json()["problem"]
    assert server.requests == []
    pattern = {"name": "W", "type": "bearer", "value": CANARY, "allowed_hosts": ["*.example.com"]}
    unnamed = await _try(alice, await keep(alice, "credentials", **pattern))
    assert list(unnamed.json()["error"]["details"]["fields"]) == ["url"]


async def test_private_hosts_are_refused_by_the_one_policy(alice: Person) -> None:
    made = {"name": "API", "type": "bearer", "value": CANARY, "allowed_hosts": ["http://127.0.0.1:9"]}
    refused = await _try(alice, await keep(alice, "credentials", **made))
    assert (refused.status_code, refused.json()["ok"]) == (200, False)
    assert "127.0.0.1" in refused.json()["problem"]


async def test_tests_are_limited(
    alice: Person, mallory: Person, trial_egress: LocalEgress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ratelimit, "TRIALS", "2/minute")
    async with serving(echo) as server:
        made = {"name": "API", "type": "bearer", "value": CANARY, "allowed_hosts": [server.url]}
        mine = await keep(alice, "credentials", **made)
        assert [(await _try(alice, mine)).status_code for _ in range(3)] == [200, 200, 429]
        theirs = await keep(mallory, "credentials", **made)
        assert (await _try(mallory, theirs)).status_code == 200
    assert len(await _tested(alice)) == 2
