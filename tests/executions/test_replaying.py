"""Runs that take over from another what does not depend on what is changed, and the two compared."""

from functools import partial
from typing import Any

from agentflow_app.core.ids import new_id
from agentflow_app.executions.runtime import ExecutionRuntime
from engine.testing import LocalEgress
from tests.actors import Person, definition, ended, node, published
from tests.engine.http_server import Answer, Request, serving
from tests.executions.test_resuming import events_of, start, steps_of, usage_of


async def replayed(person: Person, run_id: str, **body: Any) -> dict[str, Any]:
    answer = await person.client.post(f"/executions/{run_id}/replay", json=body)
    assert answer.status_code == 202, answer.text
    accepted: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/api/v1/executions/{accepted['id']}"
    assert (accepted["triggered_by"], accepted["replay_of"]) == ("replay", run_id)
    return await ended(person, accepted["id"])


def diamond(url: str) -> dict[str, Any]:
    """a feeds b and c; d joins them; e hangs on c alone."""
    return definition(
        node("start", "trigger.manual"),
        *(
            node(name, "action.http_request", method="POST", url=f"{url}/{name}", body={"n": value})
            for name, value in (
                ("a", "{{ trigger.data.n }}"),
                ("b", "{{ node_a.output.body.n }}"),
                ("c", "{{ node_a.output.body.n + 1 }}"),
                ("d", "{{ node_b.output.body.n + node_c.output.body.n }}"),
                ("e", "{{ node_c.output.body.n * 10 }}"),
            )
        ),
        edges=[("start", "a"), ("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("c", "e")],
    )


async def test_a_replay_runs_what_depends_on_its_node_and_takes_over_the_rest(
    alice: Person, runtime: ExecutionRuntime, local_egress: LocalEgress
) -> None:
    def echo(request: Request) -> Answer:
        return Answer(200, request.json)

    async with serving(echo) as server:
        run_id = await start(alice, await published(alice, diamond(server.url)), n=1)
        original = await ended(alice, run_id)
        before = (await alice.client.get(f"/executions/{run_id}/steps?limit=100")).json()
        called = len(server.requests)
        run = await replayed(alice, run_id, from_node="b")
        assert [request.path for request in server.requests[called:]] == ["/b", "/d"]
        assert run["status"] == "completed", run["error"]
        assert run["output"] == original["output"]
        called = len(server.requests)
        body = {"from_node": "d", "overrides": {"c": {"body": {"n": 100}}}}
        other = await replayed(alice, run_id, **body)
        assert sorted(request.path for request in server.requests[called:]) == ["/d", "/e"]
        assert [other["output"][name]["body"]["n"] for name in ("d", "e")] == [101, 1000]
        called = len(server.requests)
        changed = {"method": "POST", "url": f"{server.url}/b", "body": {"n": 7}}
        third = await replayed(alice, run_id, from_node="d", configs={"b": changed})
        assert [request.path for request in server.requests[called:]] == ["/b", "/d"]
        assert third["output"]["d"]["body"]["n"] == 9
    assert (await alice.client.get(f"/executions/{run_id}/steps?limit=100")).json() == before
    assert (await alice.client.get(f"/executions/{run_id}")).json() == original
    steps = await steps_of(alice, run["id"])
    assert {name for name, step in steps.items() if step["taken_over"]} == {"start", "a", "c", "e"}
    events = await events_of(alice, run["id"])
    assert {event["node_id"] for event in events if event["type"] == "step.started"} == {"b", "d"}
    assert events[0]["type"] == "execution.started"
    audit = (await alice.client.get("/org/audit-logs?action=execution.replayed")).json()["data"]
    assert [entry["details"]["from_node"] for entry in audit] == ["d", "d", "b"]
    assert {entry["resource_id"] for entry in audit} == {run_id}
    compared = (await alice.client.get(f"/executions/{run_id}/compare/{other['id']}")).json()
    differing = {step["node_id"]: step for step in compared["steps"]}
    assert set(differing) == {"c", "d", "e"}
    assert differing["d"]["changes"]["output"]["execution"]["body"] == {"n": 3}
    assert differing["d"]["changes"]["output"]["other"]["body"] == {"n": 101}
    with_third = (await alice.client.get(f"/executions/{run_id}/compare/{third['id']}")).json()
    configs = {step["node_id"]: step["changes"].get("config") for step in with_third["steps"]}
    assert {name for name, config in configs.items() if config} == {"b"}
    assert configs["b"] is not None
    assert (configs["b"]["execution"]["body"]["n"], configs["b"]["other"]) == (
        "{{ node_a.output.body.n }}",
        changed,
    )
    assert (compared["same_steps"], compared["execution"]["id"], compared["other"]["id"]) == (
        3,
        run_id,
        other["id"],
    )


async def test_what_was_taken_over_is_not_billed_again(alice: Person, runtime: ExecutionRuntime) -> None:
    graph = definition(
        node("start", "trigger.manual"),
        node("first", "ai.chat", model="demo", prompt="Say hello"),
        node("second", "ai.chat", model="demo", prompt="{{ node_first.output.text }}"),
    )
    run_id = await start(alice, await published(alice, graph))
    original = await ended(alice, run_id)
    run = await replayed(alice, run_id, from_node="second")
    steps = await steps_of(alice, run["id"])
    assert 0 < run["total_tokens"] < original["total_tokens"]
    assert run["total_tokens"] == steps["second"]["tokens_used"]
    assert steps["first"]["tokens_used"] == 0
    assert await usage_of(alice, run["id"]) == {"execution": 1, "tokens": run["total_tokens"]}


def _echo(request: Request) -> Answer:
    return Answer(200, request.json)


def _call(url: str, name: str, value: str) -> dict[str, Any]:
    return node(name, "action.http_request", method="POST", url=f"{url}/{name}", body={"n": value})


async def test_in_a_loop_each_round_keeps_what_does_not_depend_on_the_node(
    alice: Person, runtime: ExecutionRuntime, local_egress: LocalEgress
) -> None:
    async with serving(_echo) as server:
        call = partial(_call, server.url)
        graph = definition(
            node("start", "trigger.manual"),
            node("each", "logic.loop", items="{{ trigger.data.items }}"),
            call("a", "{{ item }}"),
            call("b", "{{ node_a.output.body.n * 2 }}"),
            call("end", "{{ node_each.output.results | map(attribute='body') | map(attribute='n') | sum }}"),
            edges=[
                ("start", "each"),
                ("each", "a", "each"),
                ("a", "b"),
                ("b", "each"),
                ("each", "end", "done"),
            ],
        )
        run_id = await start(alice, await published(alice, graph), items=[1, 2, 3])
        original = await ended(alice, run_id)
        assert original["output"]["body"] == {"n": 12}, original
        called = len(server.requests)
        run = await replayed(alice, run_id, from_node="b")
        assert [r.path for r in server.requests[called:]] == ["/b", "/b", "/b", "/end"]
        assert run["output"]["body"] == {"n": 12}
        called = len(server.requests)
        overridden = await replayed(alice, run_id, from_node="end", overrides={"a": {"body": {"n": 5}}})
        assert [r.path for r in server.requests[called:]] == ["/b", "/b", "/b", "/end"]
        assert overridden["output"]["body"] == {"n": 30}


async def test_a_replay_on_a_newer_version_and_of_the_triggers_data(
    alice: Person, runtime: ExecutionRuntime
) -> None:
    def greeting(template: str) -> dict[str, Any]:
        return definition(
            node("start", "trigger.manual"),
            node("name", "action.set", values={"name": "{{ trigger.data.name }}"}),
            node("greet", "action.template", template=template),
        )

    agent_id = await published(alice, greeting("Hello {{ node_name.output.name.first }}"))
    run_id = await start(alice, agent_id, name="Ada")
    assert (await ended(alice, run_id))["status"] == "failed"
    newer = greeting("Hello {{ node_name.output.name }}")
    await alice.client.post(f"/agents/{agent_id}/publish", json={"definition": newer})
    run = await replayed(alice, run_id, from_node="greet", version=2)
    assert (run["agent_version"], run["output"]) == (2, {"text": "Hello Ada"})
    eve = {"start": {"data": {"name": "Eve"}}}
    other = await replayed(alice, run["id"], from_node="name", overrides=eve)
    assert (other["trigger_data"], other["output"]) == ({"name": "Eve"}, {"text": "Hello Eve"})
    assert (await alice.client.get(f"/executions/{run_id}")).json()["status"] == "failed"
    lost = definition(node("start", "trigger.manual"), node("greet", "action.template", template="x"))
    await alice.client.post(f"/agents/{agent_id}/publish", json={"definition": lost})
    kept = await replayed(alice, run_id, from_node="greet", version=3)
    assert kept["output"] == {"text": "x"}
    swapped = definition(node("start", "trigger.manual"), node("name", "action.template", template="x"))
    await alice.client.post(f"/agents/{agent_id}/publish", json={"definition": swapped})
    body = {"from_node": "name", "version": 9}
    answer = await alice.client.post(f"/executions/{run_id}/replay", json=body)
    assert answer.status_code == 404


async def test_a_version_that_has_not_what_is_to_be_taken_over_is_refused(
    alice: Person, runtime: ExecutionRuntime
) -> None:
    def graph(*middle: dict[str, Any]) -> dict[str, Any]:
        return definition(
            node("start", "trigger.manual"), *middle, node("greet", "action.template", template="hi")
        )

    name = node("name", "action.set", values={"n": 1})
    agent_id = await published(alice, graph(name))
    run_id = await start(alice, agent_id)
    await ended(alice, run_id)
    for version, middle, told in (
        (2, [node("name", "action.template", template="x")], {"node_id": "name", "reason": "kind"}),
        (3, [node("more", "action.set", values={}), name], {"node_id": "name", "reason": "edges"}),
        (4, [{**name, "disabled": True}], {"node_id": "name", "reason": "disabled"}),
    ):
        await alice.client.post(f"/agents/{agent_id}/publish", json={"definition": graph(*middle)})
        body = {"from_node": "greet", "version": version}
        refused = await alice.client.post(f"/executions/{run_id}/replay", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "VERSION_MISMATCH")
        assert refused.json()["error"]["details"]["nodes"] == [told]
        # What runs again may be another.
        run = await replayed(alice, run_id, from_node="name", version=version)
        assert run["output"] == {"text": "hi"}
    other = graph(name)
    other["nodes"][0]["id"] = other["edges"][0]["source"] = "begin"
    await alice.client.post(f"/agents/{agent_id}/publish", json={"definition": other})
    body = {"from_node": "name", "version": 5}
    refused = await alice.client.post(f"/executions/{run_id}/replay", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "VERSION_MISMATCH")
    assert (await alice.client.get(f"/agents/{agent_id}/executions")).json()["data"][-1]["id"] == run_id


async def test_a_while_loop_is_replayed_as_a_whole_or_not_at_all(
    alice: Person, runtime: ExecutionRuntime, local_egress: LocalEgress
) -> None:
    async with serving(_echo) as server:
        call = partial(_call, server.url)
        graph = definition(
            node("start", "trigger.manual"),
            node("again", "logic.loop", mode="while", condition="{{ node_b.output.body.n < 3 }}"),
            call("a", "{{ loop.index }}"),
            call("b", "{{ node_a.output.body.n }}"),
            call("end", "{{ node_again.output.count }}"),
            edges=[
                ("start", "again"),
                ("again", "a", "each"),
                ("a", "b"),
                ("b", "again"),
                ("again", "end", "done"),
            ],
        )
        run_id = await start(alice, await published(alice, graph))
        original = await ended(alice, run_id)
        assert original["output"]["body"] == {"n": 3}, original
        called = len(server.requests)
        run = await replayed(alice, run_id, from_node="end")
        assert [request.path for request in server.requests[called:]] == ["/end"]
        called = len(server.requests)
        run = await replayed(alice, run_id, from_node="b")
        assert [request.path for request in server.requests[called:]] == ["/a", "/b"] * 3 + ["/end"]
        assert run["output"]["body"] == {"n": 3}
        called = len(server.requests)
        shorter = {"mode": "while", "condition": "{{ node_b.output.body.n < 2 }}"}
        run = await replayed(alice, run_id, from_node="end", configs={"again": shorter})
        assert [request.path for request in server.requests[called:]] == ["/a", "/b"] * 2 + ["/end"]
        assert run["output"]["body"] == {"n": 2}


async def test_the_replay_of_a_dry_run_is_one_too(
    alice: Person, runtime: ExecutionRuntime, local_egress: LocalEgress
) -> None:
    async with serving(lambda _: Answer(200, {})) as server:
        graph = definition(
            node("start", "trigger.manual"),
            node("name", "action.set", values={"n": "{{ trigger.data.n }}"}),
            node(
                "send",
                "action.http_request",
                method="POST",
                url=f"{server.url}/",
                body="{{ node_name.output }}",
            ),
        )
        agent_id = await published(alice, graph)
        await alice.client.put(f"/agents/{agent_id}/status", json={"status": "paused"})
        tested = await alice.client.post(f"/agents/{agent_id}/test", json={"trigger_data": {"n": 1}})
        run_id = tested.json()["id"]
        assert (await ended(alice, run_id))["output"]["would"]["body"] == {"n": 1}
        run = await replayed(alice, run_id, from_node="send", overrides={"name": {"n": 2}})
        assert (run["dry_run"], run["output"]["would"]["body"]) == (True, {"n": 2})
        assert await usage_of(alice, run["id"]) == {}
        assert server.requests == []


async def test_what_a_replay_cannot_be(alice: Person, bob: Person, mallory: Person) -> None:
    graph = definition(node("start", "trigger.manual"), node("greet", "action.template", template="hi"))
    agent_id = await published(alice, graph)
    run_id = await start(alice, agent_id)
    url = f"/executions/{run_id}/replay"
    unknown = await alice.client.post(url, json={"from_node": "nope", "overrides": {"gone": 1}})
    assert unknown.status_code == 422
    assert set(unknown.json()["error"]["details"]["fields"]) == {"from_node", "overrides.gone"}
    wrong = {"from_node": "greet", "configs": {"greet": {"nothing": 1}}}
    invalid = await alice.client.post(url, json=wrong)
    assert (invalid.status_code, invalid.json()["error"]["code"]) == (422, "INVALID_DEFINITION")
    good = {"from_node": "greet"}
    assert (await bob.client.post(url, json=good)).status_code == 403
    assert (await mallory.client.post(url, json=good)).status_code == 404
    theirs = await start(mallory, await published(mallory, graph))
    for pair in ((run_id, theirs), (theirs, run_id), (run_id, new_id())):
        compared = await alice.client.get(f"/executions/{pair[0]}/compare/{pair[1]}")
        assert compared.status_code == 404
    await alice.client.put(f"/agents/{agent_id}/status", json={"status": "paused"})
    paused = await alice.client.post(url, json=good)
    assert (paused.status_code, paused.json()["error"]["code"]) == (409, "AGENT_NOT_ACTIVE")
    assert len((await alice.client.get("/executions")).json()["data"]) == 1
