"""Teams: groups of members of one organization."""

from typing import Any

import pytest

from agentflow_app.core.ids import new_id
from agentflow_app.executions.stream import follow
from tests.actors import People, definition, node, published, running


async def test_a_team_through_its_life(people: People) -> None:
    client, bob = people.carol.client, str(people.bob.actor.user_id)
    made = (await client.post("/org/teams", json={"name": "Vertrieb Süd"})).json()
    path = f"/org/teams/{made['id']}"
    for _ in range(2):
        added = await client.put(f"{path}/members/{bob}")
        assert [each["user_id"] for each in added.json()["members"]] == [bob]
    assert (await client.put(path, json={"name": "Sales"})).json()["name"] == "Sales"
    listed = (await people.bob.client.get("/org/teams")).json()["data"]
    assert [(team["name"], len(team["members"])) for team in listed] == [("Sales", 1)]
    assert (await client.delete(f"{path}/members/{bob}")).status_code == 204
    assert (await client.delete(f"{path}/members/{bob}")).status_code == 404
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_only_members_of_the_organization(people: People) -> None:
    team = (await people.alice.client.post("/org/teams", json={"name": "Team"})).json()["id"]
    for stranger in (people.mallory.actor.user_id, new_id()):
        answer = await people.alice.client.put(f"/org/teams/{team}/members/{stranger}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "MEMBER_NOT_FOUND")
    theirs = await people.mallory.client.put(f"/org/teams/{team}/members/{people.mallory.actor.user_id}")
    assert theirs.status_code == 404


async def test_who_leaves_the_organization_leaves_its_teams(people: People) -> None:
    team = (await people.alice.client.post("/org/teams", json={"name": "Team"})).json()["id"]
    await people.alice.client.put(f"/org/teams/{team}/members/{people.bob.actor.user_id}")
    await people.alice.client.delete(f"/org/members/{people.bob.actor.user_id}")
    assert (await people.alice.client.get(f"/org/teams/{team}")).json()["members"] == []


async def test_a_name_is_of_one_team(people: People) -> None:
    for person, expected in ((people.alice, 201), (people.carol, 409), (people.mallory, 201)):
        assert (await person.client.post("/org/teams", json={"name": "Team"})).status_code == expected
    other = (await people.alice.client.post("/org/teams", json={"name": "Other"})).json()["id"]
    taken = await people.alice.client.put(f"/org/teams/{other}", json={"name": "Team"})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "TEAM_NAME_TAKEN")


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "x" * 256}, {"name": "x", "org_id": "y"}])
async def test_a_bad_team(people: People, body: dict[str, Any]) -> None:
    assert (await people.alice.client.post("/org/teams", json=body)).status_code == 422


async def test_an_approval_that_names_a_team_waits_for_its_members(people: People) -> None:
    team = (await people.alice.client.post("/org/teams", json={"name": "Team"})).json()["id"]
    review = node("review", "human.approval", message="Send it?", approvers=[team])
    graph = definition(node("start", "trigger.manual"), review)
    agent = await published(people.alice, graph)
    run = (await people.alice.client.post(f"/agents/{agent}/execute", json={})).json()["id"]
    async with running():
        async for event in follow(people.alice.actor, run):
            if event["type"] == "execution.waiting":
                break
    erin = people.erin
    assert (await erin.client.get("/approvals")).json()["data"] == []
    refused = await erin.client.post(f"/executions/{run}/approve", json={"decision": "approved"})
    assert refused.status_code == 403
    await people.alice.client.put(f"/org/teams/{team}/members/{erin.actor.user_id}")
    assert len((await erin.client.get("/approvals")).json()["data"]) == 1
    decided = await erin.client.post(f"/executions/{run}/approve", json={"decision": "approved"})
    assert decided.status_code == 200
