"""What needs no login, has a credential of its own, or refuses: nothing of it tells another organization."""

from typing import Any

import httpx
from fastapi import FastAPI

from agentflow_app.core.ids import new_id
from agentflow_app.organizations.tickets import ticket_for
from agentflow_app.sso.scim_schemas import GROUP, USER
from tests.actors import definition, node, published, running
from tests.core.test_access import OPEN, TABLE, World, _bearer, _filled, _key
from tests.core.test_canary import CANARY, told_by
from tests.core.test_canary import planted as planted
from tests.sso.test_provisioning import PATCH, client, connect, fresh_domain

TOLD = CANARY.encode()
ALMOST = CANARY[:-1]
LISTS = ("/Users", "/Groups")


async def test_no_directory_tells_anothers(api: FastAPI, planted: World) -> None:
    alice, mallory, ids = planted.alice, planted.mallory, planted.ids
    domain = fresh_domain()
    await connect(mallory, domain)
    token = (await mallory.client.post("/org/sso/scim-token")).json()["token"]
    person, team = str(alice.actor.user_id), ids["team_id"]
    user = {"schemas": [USER], "userName": alice.actor.email}
    group = {"schemas": [GROUP], "displayName": "Hers", "members": [{"value": person}]}
    change = {"schemas": [PATCH], "Operations": [{"op": "replace", "value": {"active": False}}]}
    take = {
        "schemas": [PATCH],
        "Operations": [{"op": "add", "path": "members", "value": group["members"]}],
    }
    rename = {"schemas": [PATCH], "Operations": [{"op": "replace", "value": {"displayName": "Mine"}}]}
    calls: tuple[tuple[str, str, Any], ...] = (
        ("GET", "/Users", None),
        ("GET", f'/Users?filter=userName eq "{alice.actor.email}"', None),
        ("POST", "/Users", user),
        *(("GET", f"/Users/{each}", None) for each in (person, ids["user_id"])),
        *(("PUT", f"/Users/{each}", user) for each in (person, ids["user_id"])),
        *(("PATCH", f"/Users/{each}", change) for each in (person, ids["user_id"])),
        *(("DELETE", f"/Users/{each}", None) for each in (person, ids["user_id"])),
        ("GET", "/Groups", None),
        ("GET", f'/Groups?filter=displayName eq "{CANARY} {ids["agent_id"]}"', None),
        ("POST", "/Groups", group),
        ("GET", f"/Groups/{team}", None),
        ("PUT", f"/Groups/{team}", group),
        ("PATCH", f"/Groups/{team}", take),
        ("PATCH", f"/Groups/{team}", rename),
        ("DELETE", f"/Groups/{team}", None),
    )
    before = (await alice.client.get("/org/members?limit=100")).json()
    async with client(api, token) as hers:
        own = (await hers.post("/Groups", json={**group, "members": []})).json()["id"]
        refused = await hers.patch(f"/Groups/{own}", json=take)
        assert refused.status_code in {400, 404}
        for method, path, body in calls:
            answer = await hers.request(method, path, json=body)
            assert answer.status_code in {200, 400, 403, 404, 409}, (method, path, answer.text)
            assert (answer.status_code == 200) == (method == "GET" and path.partition("?")[0] in LISTS)
            told = told_by(answer)
            assert TOLD not in told, (method, path)
            if body is not user and alice.actor.email not in path:
                assert alice.actor.email.encode() not in told, (method, path)
            if answer.status_code == 200 and "filter" in path:
                assert answer.json()["totalResults"] == 0
    assert (await alice.client.get("/org/members?limit=100")).json() == before


async def test_no_open_door_tells(planted: World) -> None:
    """Without any login, and with a login and a key of another organization."""
    key = await _key(planted.mallory, "agents:read", "executions:read")
    for call in OPEN:
        method, path = call.split(" ")
        for headers in ({}, _bearer(planted.mallory.token), {"X-API-Key": key}):
            for body in (None, {}, {"email": planted.alice.actor.email, "password": "a wrong one"}):
                answer = await planted.client.request(
                    method, path.format(**planted.ids), json=body, headers=headers
                )
                assert answer.status_code < 500 or path.startswith("/readyz"), (call, answer.text)
                assert TOLD not in told_by(answer), call


async def test_a_single_sign_on_is_found_by_its_domain_alone(planted: World) -> None:
    """Alice's connection has no verified domain: whoever types an address is told nothing of it."""
    home, start = "/api/v1/auth/sso/home", "/api/v1/auth/sso/start"
    for domain in (CANARY, f"{CANARY}.invalid", "example.com", "", "%", "_"):
        answer = await planted.client.get(home, params={"domain": domain})
        assert answer.json() == {"name": None, "enforced": False}
        answer = await planted.client.get(start, params={"email": f"a@{domain}"})
        assert b"invalid" not in told_by(answer)


async def test_a_hook_answers_with_its_own_run_alone(planted: World) -> None:
    alice, mallory = planted.alice, planted.mallory

    async def hook(person: Any, template: str) -> tuple[str, str]:
        graph = definition(
            node("hook", "trigger.webhook", response="when_finished"),
            node("out", "action.template", template=template),
        )
        agent = await published(person, graph)
        made = (await person.client.get(f"/agents/{agent}")).json()
        return agent, str(made["trigger_config"]["webhook_url"])

    agent, hers = await hook(alice, CANARY)
    _, own = await hook(mallory, "mine")
    async with running():
        shown = await planted.client.post(hers, json={})
        mine = await planted.client.post(own, json={}, headers={"Idempotency-Key": "the same"})
        both = await planted.client.post(hers, json={}, headers={"Idempotency-Key": "the same"})
    assert TOLD in told_by(shown)
    assert TOLD in told_by(both)
    assert mine.json() == {"text": "mine"}
    token = hers.rpartition("/")[2]
    await alice.client.put(f"/agents/{agent}/status", json={"status": "paused"})
    for guess in (token, token[:-1], token.swapcase(), f"{token}x", f"%20{token}", agent):
        for headers in ({}, _bearer(mallory.token), {"Idempotency-Key": "the same"}):
            answer = await planted.client.post(f"/api/v1/hooks/{guess}", json={}, headers=headers)
            assert answer.status_code == 404, guess
            assert TOLD not in told_by(answer)


async def test_a_ticket_opens_nobody_elses_export(planted: World) -> None:
    export = planted.ids["export_id"]
    good = await planted.client.get(f"/api/v1/exports/{export}")
    assert good.status_code == 404
    forged = ticket_for(planted.mallory.actor, planted.mallory.org_id)
    for ticket in (forged, export, planted.mallory.token):
        answer = await planted.client.get(f"/api/v1/exports/{ticket}")
        assert answer.status_code == 404
        assert TOLD not in told_by(answer)


def _broken(body: Any, ids: dict[str, str]) -> list[Any]:
    """Bodies that name what is alice's, where it must not stand."""
    filled = _filled(body, ids) if body is not None else {}
    wrong = [None, [], ids["agent_id"], {"name": {"id": ids["agent_id"]}}, {ids["secret_id"]: ALMOST}]
    wrong += [filled | {name: ids} for name in filled]
    wrong += [filled | {"org_id": ids["org_id"], "extra": ids["agent_id"]}]
    return wrong


async def test_what_is_refused_tells_nothing(planted: World) -> None:
    for row in TABLE:
        if row.method == "GET" or row.path.endswith(("/password", "/logout-everywhere")):
            continue
        for body in _broken(row.body, planted.ids):
            path = row.path.format(**planted.ids) + row.query
            headers = _bearer(planted.mallory.token)
            answer = await planted.client.request(row.method, path, json=body, headers=headers)
            assert answer.status_code < 500, (row.method, row.path, answer.text)
            assert TOLD not in told_by(answer), (row.method, row.path, body)


async def test_problems_of_a_graph_name_what_is_ones_own(planted: World) -> None:
    """Names that are nearly those of another organization's things call up none of them."""
    ids = planted.ids
    graph = definition(
        node("start", "trigger.manual"),
        node(
            "ask",
            "action.http_request",
            url=f"https://{ALMOST}.invalid/{{{{ secrets.{ALMOST.upper()} }}}}",
            credential=ids["credential_id"],
        ),
        node("say", "action.template", template=f"{{{{ vars.{ALMOST} }}}} {{{{ node_{ALMOST}.x }}}}"),
    )
    made = (await planted.mallory.client.post("/agents", json={"name": "x"})).json()["id"]
    for path in (f"/agents/{made}/publish", f"/agents/{made}/test"):
        answer = await planted.mallory.client.post(path, json={"definition": graph})
        assert TOLD not in told_by(answer), path
    slug = (await planted.alice.client.get("/org")).json()["slug"]
    for name, body in (
        ("/org", {"name": "x", "slug": slug}),
        ("/org", {"name": "x", "slug": ids["org_id"]}),
        ("/auth/profile", {"name": planted.alice.actor.name}),
    ):
        answer = await planted.mallory.client.put(name, json=body)
        assert TOLD not in told_by(answer)
    taken = {"email": planted.alice.actor.email, "password": "long enough now", "name": "x", "org_name": "x"}
    answer = await planted.client.post("/api/v1/auth/signup", json=taken)
    assert (answer.status_code, TOLD in told_by(answer)) == (409, False)


async def test_what_is_not_there_is_named_by_the_asker(planted: World) -> None:
    """404s and redirects hold what was asked for, in body and head, and nothing that is stored under it."""
    ids = planted.ids
    for thing in (ids["agent_id"], ids["execution_id"], str(new_id()), "x"):
        for path in (f"/agents/{thing}/", f"/agents/{thing}/nothing", f"/executions/{thing}/", f"/{thing}"):
            headers = _bearer(planted.mallory.token) | {"X-Request-ID": "mine"}
            answer: httpx.Response = await planted.client.get(f"/api/v1{path}", headers=headers)
            assert answer.status_code in {307, 404, 405}, (path, answer.text)
            assert TOLD not in told_by(answer)
