import pytest

from engine import DryRun, RunSettings
from engine.testing import NoEgress, run_definition
from tests.engine.graphs import graph, node
from tests.engine.http_server import Answer, serving
from tests.engine.runner.host import Host, ended

QUERY = "query($id: ID!) { user(id: $id) { name } }"
ONCE = RunSettings(max_retries=0)


async def ask(egress, answer, data=None, *, path="/graphql", settings=ONCE, **config):
    async with serving(lambda request: answer) as server:
        definition = graph(node("a", "action.graphql", {"url": server.url + path, "query": QUERY, **config}))
        return await run_definition(definition, data, egress=egress, settings=settings), server.requests


async def test_what_is_sent_and_what_comes_back(egress):
    answer = Answer(body={"data": {"user": {"name": "{{ 7 * 7 }}"}}, "extensions": {"cost": 1}})
    result, (request,) = await ask(
        egress,
        answer,
        '7" } } { all',
        variables={"id": "{{ trigger.data }}"},
        headers={"X-Team": "a"},
    )
    assert result.output == {"data": {"user": {"name": "{{ 7 * 7 }}"}}, "errors": []}
    assert request.method == "POST"
    assert request.json == {"query": QUERY, "variables": {"id": '7" } } { all'}}
    assert "application/graphql-response+json" in request.headers["accept"]
    assert request.headers["content-type"] == "application/json"
    assert (request.headers["x-team"], bool(request.headers["idempotency-key"])) == ("a", True)


@pytest.mark.parametrize("status", [200, 400])
async def test_errors_of_the_endpoint_are_in_the_output(egress, status):
    body = {"data": {"user": None}, "errors": [{"message": "no such user"}]}
    result, _ = await ask(egress, Answer(status, body))
    assert (result.status, result.output) == ("completed", body)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Answer(401, {"message": "who are you"}), 401),
        (Answer(200, "a page", {"content-type": "text/html"}), 200),
        (Answer(200, {"message": "no data"}), 200),
        (Answer(200, []), 200),
        (Answer(503, {"errors": [{"message": "later"}]}), 503),
        (Answer(429, {"errors": [{"message": "later"}]}), 429),
    ],
    ids=["401", "page", "no data", "list", "503", "429"],
)
async def test_what_is_no_answer_fails_the_step(egress, answer, status):
    result, requests = await ask(egress, answer)
    assert (result.error["code"], result.error["details"]["status"]) == ("HTTP_ERROR", status)
    assert len(requests) == 1


async def test_what_may_work_later_is_tried_again(egress):
    answers = iter([Answer(503), Answer(429, headers={"retry-after": "0"}), Answer(200, {"data": {"a": 1}})])
    async with serving(lambda request: next(answers)) as server:
        retry = {"max_retries": 3, "backoff_base": 0.001}
        definition = graph(node("a", "action.graphql", {"url": server.url, "query": "{ a }"}, retry=retry))
        result = await run_definition(definition, egress=egress)
    assert result.output == {"data": {"a": 1}, "errors": []}
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 1


async def test_a_dry_run_sends_nothing():
    definition = graph(node("a", "action.graphql", {"url": "http://api.test", "query": "{ a }"}))
    end = ended(await Host(definition, egress=NoEgress(), dry_run=DryRun()).run())
    assert end.output == {"dry_run": True, "would": {"url": "http://api.test", "query": "{ a }"}}


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/", "http://[::ffff:10.0.0.1]/", "http://100.100.100.200/"]
)
async def test_private_addresses_are_refused(egress, url):
    definition = graph(node("a", "action.graphql", {"url": url, "query": "{ a }"}))
    result = await run_definition(definition, egress=egress, settings=ONCE)
    assert result.error["code"] == "EGRESS_REFUSED"


@pytest.mark.parametrize(
    "config", [{"query": ""}, {"variables": [1]}, {"headers": "x"}, {"more": 1}], ids=str
)
async def test_bad_settings_fail_the_step(egress, config):
    result, requests = await ask(egress, Answer(), **config)
    assert result.error["code"] == "INVALID_CONFIG"
    assert requests == []


async def test_a_header_is_one_line(egress):
    result, requests = await ask(egress, Answer(), headers={"X": "a\r\nb: c"})
    assert (result.status, requests) == ("failed", [])
