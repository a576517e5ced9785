import gzip
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from engine import DryRun, RunSettings
from engine.egress import GuardedEgress
from engine.nodes.action import http_request
from engine.testing import run_definition
from tests.engine.graphs import fetch, graph
from tests.engine.http_server import Answer, Request, serving

ONCE = RunSettings(max_retries=0)


async def call(url, egress, data=None, **config):
    settings = config.pop("settings", ONCE)
    definition = graph(fetch("a", url, config))
    return await run_definition(definition, data, egress=egress, settings=settings)


async def test_what_is_sent(egress):
    async with serving(lambda request: Answer(201, {"id": 7}, {"x-more": "yes"})) as server:
        result = await call(
            server.url + "/people?kept=1",
            egress,
            {"name": "Ada & Bo", "n": 3},
            headers={"X-Name": "n{{ trigger.data.n }}", "X-Number": "{{ trigger.data.n }}"},
            query={"q": "{{ trigger.data.name }}", "list": [1, 2]},
            body={"n": "{{ trigger.data.n }}", "deep": ["{{ trigger.data.name }}"]},
        )
    assert result.output["status"] == 201
    assert result.output["headers"]["x-more"] == "yes"
    assert result.output["body"] == {"id": 7}
    (request,) = server.requests
    assert request.method == "POST"
    assert request.path == "/people?kept=1&q=Ada+%26+Bo&list=1&list=2"
    assert request.headers["x-name"] == "n3"
    assert request.headers["x-number"] == "3"
    assert request.headers["content-type"] == "application/json"
    assert request.json == {"n": 3, "deep": ["Ada & Bo"]}
    step = result.steps[0]
    assert step.input["body"] == {"n": 3, "deep": ["Ada & Bo"]}


@pytest.mark.parametrize(
    ("config", "kind", "body"),
    [
        ({"body": "plain"}, "text/plain; charset=utf-8", b"plain"),
        ({"body": "a=1", "headers": {"Content-Type": "x/y"}}, "x/y", b"a=1"),
        (
            {"body": {"a": "1 2"}, "headers": {"content-type": "application/x-www-form-urlencoded"}},
            "application/x-www-form-urlencoded",
            b"a=1+2",
        ),
        ({"body": [1, None]}, "application/json", b"[1,null]"),
        ({}, None, b""),
    ],
)
async def test_bodies(egress, config, kind, body):
    async with serving(lambda request: Answer()) as server:
        await call(server.url, egress, **config)
    assert server.requests[0].body == body
    assert server.requests[0].headers.get("content-type") == kind


async def test_the_idempotency_key_goes_with_everything_that_changes_something(egress):
    async with serving(lambda request: Answer()) as server:
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"):
            await call(server.url, egress, method=method)
        await call(server.url, egress, headers={"Idempotency-Key": "mine"})
    keys = {request.method: "idempotency-key" in request.headers for request in server.requests[:-1]}
    assert keys == {
        "GET": False,
        "HEAD": False,
        "OPTIONS": False,
        "POST": True,
        "PUT": True,
        "PATCH": True,
        "DELETE": True,
    }
    assert server.requests[-1].headers["idempotency-key"] == "mine"


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (b'{"a": 1}', "application/json; charset=utf-8", {"a": 1}),
        (b'{"a": 1}', "application/problem+json", {"a": 1}),
        (b'{"a": NaN}', "application/json", '{"a": NaN}'),
        (b"[" * 100 + b"]" * 100, "application/json", json.loads("[" * 100 + "]" * 100)),
        (b"[" * 101 + b"]" * 101, "application/json", "[" * 101 + "]" * 101),
        (b"[" * 9000 + b"]" * 9000, "application/json", "[" * 9000 + "]" * 9000),
        (b"", "application/json", ""),
        (b"hi", "text/plain", "hi"),
        ("hé".encode("latin-1"), "text/plain; charset=latin-1", "hé"),
        (b"h\xe9", "text/plain", "h\ufffd"),
        (b"h\xe9", "text/plain; charset=nonsense", "h\ufffd"),
        (b"\xff\xd8\x00", "image/jpeg", {"base64": "/9gA"}),
        (b'{"a": 1}', "text/html", '{"a": 1}'),
    ],
)
async def test_answers_are_read_by_their_kind(egress, content, kind, expected):
    async with serving(lambda request: Answer(200, content, {"content-type": kind})) as server:
        assert (await call(server.url, egress)).output["body"] == expected


async def test_compressed_answers_are_unpacked(egress):
    packed = gzip.compress(b'{"a": 1}')
    async with serving(lambda request: Answer(200, packed, {"content-encoding": "gzip"})) as server:
        assert (await call(server.url, egress)).output["body"] == {"a": 1}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 418, 422])
async def test_4xx_fails_with_status_and_body(egress, status):
    async with serving(lambda request: Answer(status, {"why": "because"})) as server:
        result = await call(server.url, egress, settings=RunSettings(max_retries=3))
    assert result.error["code"] == "HTTP_ERROR"
    assert result.error["details"]["status"] == status
    assert "because" in result.error["details"]["body"]
    assert len(server.requests) == 1


async def test_failing_statuses_can_be_taken_as_answers(egress):
    async with serving(lambda request: Answer(503, "busy")) as server:
        result = await call(server.url, egress, fail_on_status=False)
    assert (result.output["status"], result.output["body"]) == (503, "busy")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        (format_datetime(datetime.now(UTC) + timedelta(days=2), usegmt=True), 86_400),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("soon", None),
    ],
    ids=["seconds", "in two days", "in the past", "no number"],
)
async def test_retry_after_is_read_as_seconds_or_as_a_date(egress, header, seconds):
    import httpx

    response = httpx.Response(429, headers={"retry-after": header}, request=httpx.Request("GET", "http://a"))
    found = http_request._retry_after(response)
    assert found == seconds if seconds in (7, 0, None) else found > seconds


async def test_an_answer_that_is_too_large_is_not_taken_in(egress, monkeypatch):
    monkeypatch.setattr(http_request, "MAX_RESPONSE", 1000)
    async with serving(lambda request: Answer(200, b"x" * 5000, {"content-type": "text/plain"})) as server:
        result = await call(server.url, egress)
    assert result.error["code"] == "RESPONSE_TOO_LARGE"
    bomb = gzip.compress(b"x" * 1_000_000)
    async with serving(lambda request: Answer(200, bomb, {"content-encoding": "gzip"})) as server:
        result = await call(server.url, egress)
    assert result.error["code"] == "RESPONSE_TOO_LARGE"


async def test_a_cut_connection_is_retryable_and_its_effect_unknown(egress):
    async with serving(lambda request: Answer(200, b"x" * 100, cut_after=10)) as server:
        result = await run_definition(
            graph(fetch("a", server.url, repeat="never")), egress=egress, settings=RunSettings(max_retries=3)
        )
    assert result.status == "waiting"
    assert result.waiting_for.kind == "uncertain"
    assert len(server.requests) == 1


async def test_a_server_that_is_not_there_is_tried_again_even_where_nothing_may_repeat(egress):
    async with serving(lambda request: Answer()) as server:
        url = server.url
    definition = graph(fetch("a", url, repeat="never", retry={"max_retries": 1, "backoff_base": 0.001}))
    result = await run_definition(definition, egress=egress)
    assert result.status == "failed"
    assert "could not be reached" in result.error["message"]
    assert result.steps[0].attempt == 2


async def test_redirects_are_followed_and_checked(egress):
    def answer(request: Request) -> Answer:
        if request.path == "/old":
            return Answer(302, None, {"location": "/new"})
        return Answer(200, request.path)

    async with serving(answer) as server:
        assert (await call(f"{server.url}/old", egress)).output["body"] == "/new"
    async with serving(lambda request: Answer(302, None, {"location": "http://10.0.0.1/"})) as server:
        result = await call(server.url, egress)
    assert result.error["code"] == "EGRESS_REFUSED"
    async with serving(lambda request: Answer(302, None, {"location": "/"})) as server:
        result = await call(server.url, egress)
    assert "redirect" in result.error["message"].lower()


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"url": "not an address"}, "HTTP_ERROR"),
        ({"url": "ftp://example.com"}, "HTTP_ERROR"),
        ({"url": "file:///etc/passwd"}, "HTTP_ERROR"),
        ({"url": "http://[::1"}, "INVALID_CONFIG"),
        ({"url": "{{ trigger.data.empty }}"}, "INVALID_CONFIG"),
        ({"headers": {"X": "a\r\nY: b"}}, "HTTP_ERROR"),
        ({"headers": {"X y": "a"}}, "HTTP_ERROR"),
        ({"headers": {"X": "h\u00e9\u4e2d"}}, None),
        ({"query": {"a": {"b": 1}}}, "INVALID_CONFIG"),
        ({"method": "{{ trigger.data.empty }}"}, "INVALID_CONFIG"),
        ({"headers": "{{ trigger.data.empty }}"}, "INVALID_CONFIG"),
    ],
)
async def test_what_cannot_be_sent_is_a_clear_error(egress, config, code):
    async with serving(lambda request: Answer()) as server:
        config = {"url": server.url, **config}
        result = await call(config.pop("url"), egress, {"empty": ""}, **config)
    assert (result.error or {}).get("code") == code
    assert code is None or server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/",
        "http://localhost/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://2130706433/",
        "http://0x7f.1/",
    ],
)
async def test_this_machine_and_the_private_net_are_out_of_reach(url):
    guarded = GuardedEgress()
    result = await call(url, guarded)
    await guarded.aclose()
    assert result.error["code"] in ("EGRESS_REFUSED", "HTTP_ERROR")


async def test_text_in_data_that_looks_like_an_expression_is_sent_as_text(egress):
    async with serving(lambda request: Answer(200, "{{ 7 * 7 }}")) as server:
        result = await call(
            server.url,
            egress,
            "{{ 7 * 7 }}",
            body={"x": "{{ trigger.data }}"},
            query={"q": "{{ trigger.data }}"},
        )
    assert server.requests[0].json == {"x": "{{ 7 * 7 }}"}
    assert result.output["body"] == "{{ 7 * 7 }}"
    # Where a method is wanted, text with braces is no method, and not an expression any more either.
    result = await call("http://a.test", egress, "{{ 'GET' }}", method="{{ trigger.data }}")
    assert result.error["code"] == "INVALID_CONFIG"


async def test_a_dry_run_sends_nothing(egress):
    async with serving(lambda request: Answer()) as server:
        definition = graph(fetch("a", server.url, {"query": {"n": "{{ trigger.data }}"}}))
        result = await run_definition(definition, 5, egress=egress, dry_run=DryRun())
    assert server.requests == []
    assert result.output == {
        "dry_run": True,
        "would": {"method": "POST", "url": server.url, "headers": {}, "query": {"n": 5}, "body": None},
    }
