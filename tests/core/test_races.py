"""Two who want what only one can have, at the same moment: one gets it, and nothing is an error of ours."""

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import text

from agentflow_app.core.database import database
from agentflow_app.executions.runtime import ExecutionRuntime
from tests.actors import (
    GREETING,
    REVIEW,
    People,
    Person,
    definition,
    ended,
    join,
    node,
    published,
    running,
    sign_up,
)

ROUNDS = 3


def _statuses(answers: list[httpx.Response]) -> list[int]:
    return sorted(answer.status_code for answer in answers)


async def _count(person: Person, query: str, **parameters: Any) -> int:
    async with database().transaction(person.actor) as tx:
        return int((await tx.execute(text(query), parameters)).scalar_one())


async def test_one_invitation_brings_one_membership(api: FastAPI, alice: Person) -> None:
    dave = await sign_up(api, "dave")
    for _ in range(ROUNDS):
        body = {"email": dave.actor.email, "role": "viewer"}
        made = (await alice.client.post("/org/invitations", json=body)).json()
        path = f"/invitations/{made['link'].rpartition('/')[2]}/accept"
        answers = await asyncio.gather(*(dave.client.post(path) for _ in range(4)))
        assert _statuses(answers)[0] == 200
        assert set(_statuses(answers)[1:]) <= {404, 409}
        query = "SELECT count(*) FROM org_memberships WHERE user_id = :user"
        assert await _count(alice, query, user=dave.actor.user_id) == 1
        await alice.client.delete(f"/org/members/{dave.actor.user_id}")
    await dave.client.aclose()


async def test_an_invitation_is_withdrawn_or_taken_and_not_both(api: FastAPI, alice: Person) -> None:
    for _ in range(ROUNDS):
        dave = await sign_up(api, "dave")
        body = {"email": dave.actor.email, "role": "viewer"}
        made = (await alice.client.post("/org/invitations", json=body)).json()
        taken, withdrawn = await asyncio.gather(
            dave.client.post(f"/invitations/{made['link'].rpartition('/')[2]}/accept"),
            alice.client.delete(f"/org/invitations/{made['id']}"),
        )
        assert _statuses([taken, withdrawn]) in ([200, 404], [204, 404], [200, 409], [204, 409])
        query = "SELECT count(*) FROM org_memberships WHERE user_id = :user"
        assert await _count(alice, query, user=dave.actor.user_id) == (taken.status_code == 200)
        await dave.client.aclose()


async def test_an_organization_is_handed_to_one(people: People) -> None:
    alice, heirs = people.alice, (people.bob, people.carol, people.erin)
    answers = await asyncio.gather(
        *(alice.client.post("/org/transfer", json={"user_id": str(heir.actor.user_id)}) for heir in heirs)
    )
    assert _statuses(answers) == [200, 403, 403]
    owners = "SELECT count(*) FROM org_memberships WHERE role = 'owner' AND status = 'active'"
    assert await _count(alice, owners) == 1


async def test_a_key_that_is_rotated_twice_at_once_is_one_key(
    alice: Person, anonymous: httpx.AsyncClient
) -> None:
    body = {"name": "Key", "scopes": ["agents:read"]}
    key = (await alice.client.post("/org/api-keys", json=body)).json()
    secret = key["key"]

    async def use(candidate: str) -> int:
        return (await anonymous.get("/agents", headers={"X-API-Key": candidate})).status_code

    for _ in range(ROUNDS):
        rotate = alice.client.post(f"/org/api-keys/{key['id']}/rotate")
        again = alice.client.post(f"/org/api-keys/{key['id']}/rotate")
        first, second, *used = await asyncio.gather(rotate, again, *(use(secret) for _ in range(4)))
        assert set(used) <= {200, 401}
        made = [answer.json()["key"] for answer in (first, second)]
        assert sorted([await use(each) for each in (*made, secret)]) == [200, 401, 401]
        (secret,) = [each for each in made if await use(each) == 200]


async def test_a_run_is_approved_rejected_or_cancelled(people: People) -> None:
    alice, carol, erin = people.alice, people.carol, people.erin
    agent_id = await published(alice, REVIEW)
    for _ in range(ROUNDS):
        run = (await alice.client.post(f"/agents/{agent_id}/execute", json={})).json()["id"]
        async with running():
            async with asyncio.timeout(120):
                while (await alice.client.get(f"/executions/{run}")).json()["status"] != "waiting":
                    await asyncio.sleep(0.05)
        path = f"/executions/{run}"
        decided = await asyncio.gather(
            alice.client.post(f"{path}/approve", json={"decision": "approved"}),
            carol.client.post(f"{path}/approve", json={"decision": "rejected"}),
            erin.client.post(f"{path}/approve", json={"decision": "approved", "comment": "me too"}),
            erin.client.post(f"{path}/cancel"),
        )
        decisions = [answer.status_code for answer in decided[:3]]
        assert decisions.count(200) <= 1
        assert set(decisions) <= {200, 409}
        assert decided[3].status_code == 202
        told = "SELECT count(*) FROM audit_logs WHERE resource_id = :run AND action IN (:a, :b)"
        parameters = {"run": run, "a": "execution.approved", "b": "execution.rejected"}
        assert await _count(alice, told, **parameters) == decisions.count(200)


LATE = definition(
    node("start", "trigger.manual"),
    node("ask", "human.approval", message="?", timeout_seconds=3600),
    node("yes", "action.template", template="approved"),
    node("late", "action.template", template="expired"),
    edges=[("start", "ask"), ("ask", "yes", "approved"), ("ask", "late", "expired")],
)


async def test_an_approval_is_given_or_expires_and_not_both(people: People) -> None:
    alice = people.alice
    agent_id = await published(alice, LATE)
    async with running() as worker:
        for _ in range(ROUNDS):
            run = (await alice.client.post(f"/agents/{agent_id}/execute", json={})).json()["id"]
            worker.poke()
            async with asyncio.timeout(120):
                while (await alice.client.get(f"/executions/{run}")).json()["status"] != "waiting":
                    await asyncio.sleep(0.05)
            body = {"decision": "approved"}
            answer, _ = await asyncio.gather(
                alice.client.post(f"/executions/{run}/approve", json=body), _expire(alice, run, worker)
            )
            assert answer.status_code in (200, 409)
            outcome = "approved" if answer.status_code == 200 else "expired"
            assert (await ended(alice, run))["output"] == {"text": outcome}


async def _expire(person: Person, run: str, worker: ExecutionRuntime) -> None:
    async with database().transaction(person.actor) as tx:
        step = "UPDATE execution_steps SET wait_until = now() WHERE execution_id = :id AND node_id = 'ask'"
        await tx.execute(text(step), {"id": run})
        await tx.execute(text("UPDATE executions SET wake_at = now() WHERE id = :id"), {"id": run})
    worker.poke()


async def test_nothing_is_started_in_an_organization_that_is_being_deleted(alice: Person) -> None:
    agent_id = await published(alice, GREETING)
    slug = (await alice.client.get("/org")).json()["slug"]
    body = {"confirm": slug, "without_export": True}
    start = [alice.client.post(f"/agents/{agent_id}/execute", json={}) for _ in range(6)]
    *started, deleted = await asyncio.gather(*start, alice.client.request("DELETE", "/org", json=body))
    assert deleted.status_code == 204
    assert {answer.status_code for answer in started} <= {202, 401, 404, 409}
    late = await alice.client.post(f"/agents/{agent_id}/execute", json={})
    assert late.status_code == 401
    rows = "SELECT count(*) FROM executions WHERE agent_id = :agent"
    assert await _count(alice, rows, agent=agent_id) == [a.status_code for a in started].count(202)


async def test_who_is_removed_while_they_make_something(api: FastAPI, alice: Person) -> None:
    for _ in range(ROUNDS):
        editor = await join(api, alice, "editor", "editor")
        removed, *made = await asyncio.gather(
            alice.client.delete(f"/org/members/{editor.actor.user_id}"),
            *(editor.client.post("/agents", json={"name": "Late"}) for _ in range(4)),
        )
        assert removed.status_code == 204
        assert {answer.status_code for answer in made} <= {201, 401, 403}
        assert (await editor.client.post("/agents", json={"name": "Late"})).status_code == 401
        await editor.client.aclose()
