"""What is kept about a person, given to them and to nobody else."""

import json

import httpx
from fastapi import FastAPI

from tests.actors import GREETING, Person, join, published


async def test_a_person_gets_all_that_is_kept_about_them(
    api: FastAPI, alice: Person, bob: Person, anonymous: httpx.AsyncClient
) -> None:
    agent_id = await published(alice, GREETING)
    run = (await alice.client.post(f"/agents/{agent_id}/execute", json={})).json()["id"]
    team = (await alice.client.post("/org/teams", json={"name": "Reviewers"})).json()["id"]
    await alice.client.put(f"/org/teams/{team}/members/{alice.actor.user_id}")
    key = await alice.client.post("/org/api-keys", json={"name": "Canary key", "scopes": ["agents:read"]})
    login = {"email": alice.actor.email, "password": "correct horse battery"}
    headers = {"User-Agent": "Mozilla/5.0 (X11; Linux) Firefox/1"}
    assert (await anonymous.post("/auth/login", json=login, headers=headers)).status_code == 200
    answer = await alice.client.get("/auth/privacy/export")
    assert answer.status_code == 200, answer.text
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.json()
    assert told["profile"]["email"] == alice.actor.email
    assert told["sessions"][0]["browser"] == "Firefox on Linux"
    place = next(each for each in told["organizations"] if each["id"] == str(alice.org_id))
    assert (place["role"], place["teams"]) == ("owner", ["Reviewers"])
    assert [each["id"] for each in place["executions"]] == [run]
    assert place["executions"][0]["agent_id"] == agent_id
    assert [each["name"] for each in place["api_keys"]] == ["Canary key"]
    assert key.json()["key"] not in answer.text
    actions = [entry["action"] for entry in place["audit_entries"]]
    assert "api_key.created" in actions
    assert {entry["user"]["email"] for entry in place["audit_entries"]} == {alice.actor.email}
    again = (await alice.client.get("/auth/privacy/export")).json()
    told_of = [entry["action"] for each in again["organizations"] for entry in each["audit_entries"]]
    assert "user.data_exported" in told_of


async def test_nobody_gets_another_ones(api: FastAPI, alice: Person, bob: Person, mallory: Person) -> None:
    agent_id = await published(alice, GREETING)
    await alice.client.post(f"/agents/{agent_id}/execute", json={})
    for person in (bob, mallory):
        told = (await person.client.get("/auth/privacy/export")).json()
        assert told["profile"]["email"] == person.actor.email
        assert agent_id not in json.dumps(told)
        assert alice.actor.email not in json.dumps(told)


async def test_decisions_are_told(alice: Person, api: FastAPI) -> None:
    from tests.actors import REVIEW, running

    carol = await join(api, alice, "carol", "editor")
    agent_id = await published(alice, REVIEW)
    run = (await alice.client.post(f"/agents/{agent_id}/execute", json={})).json()["id"]
    from agentflow_app.executions.stream import follow

    async with running():
        async for event in follow(alice.actor, run):
            if event["type"] == "execution.waiting":
                break
    decided = await carol.client.post(f"/executions/{run}/approve", json={"decision": "rejected"})
    assert decided.status_code == 200, decided.text
    told = (await carol.client.get("/auth/privacy/export")).json()
    (place,) = told["organizations"]
    (decision,) = place["approvals"]
    assert (decision["execution_id"], decision["decision"]) == (run, "rejected")
    await carol.client.aclose()
