"""Credentials over real connections: they reach their own hosts, and no redirect leads them elsewhere."""

import json
from contextvars import ContextVar
from typing import Any

import pytest

from engine import DryRun, RunSettings
from engine.egress.origins import Origin, origins
from engine.library import RunResult
from engine.masking import MASK
from engine.secrets import Credential, GivenSecrets
from engine.testing import LocalEgress, run_definition
from tests.engine.graphs import fetch, graph
from tests.engine.http_server import Answer, Request, serving

TOKEN = "tok-6f1c/9b+2d=="


_egress: ContextVar[LocalEgress] = ContextVar("egress")


@pytest.fixture(autouse=True)
def use_egress(egress: LocalEgress) -> None:
    _egress.set(egress)


def bearer(*hosts: str) -> Credential:
    return Credential("api", origins(hosts), {"Authorization": f"Bearer {TOKEN}"}, {}, (TOKEN,))


async def call(url: str, credential: Credential | None = None, /, **config: Any) -> RunResult:
    given = GivenSecrets({"KEY": TOKEN}, [credential] if credential else [])
    if credential:
        config["credential_id"] = credential.name
    options = {name: config.pop(name) for name in ("dry_run",) if name in config}
    result = await run_definition(
        graph(fetch("a", url, config)),
        egress=_egress.get(),
        secrets=given,
        settings=RunSettings(max_retries=0),
        **options,
    )
    told = json.dumps([result.output, result.error, result.events, [str(step) for step in result.steps]])
    for form in (TOKEN, json.dumps(TOKEN)[1:-1], "tok-6f1c%2F9b%2B2d", "dG9rLTZmMWM"):
        assert form not in told
    return result


def echo(request: Request) -> Answer:
    return Answer(200, {"headers": request.headers, "path": request.path, "body": request.body.decode()})


async def test_it_is_sent_and_never_seen() -> None:
    async with serving(echo) as server:
        result = await call(server.url, bearer(f"http://api.test:{server.port}"))
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert result.output["body"]["headers"]["authorization"] == f"Bearer {MASK}"
    assert "authorization" not in json.dumps(result.steps[0].input).lower()


async def test_in_the_query_it_is_neither_in_the_step_nor_in_the_error() -> None:
    credential = Credential("api", origins(["http://api.test:1"]), {}, {"key": TOKEN}, (TOKEN,))
    async with serving(lambda request: Answer(400, {"path": request.path})) as server:
        credential = Credential("api", origins([server.url]), {}, {"key": TOKEN}, (TOKEN,))
        result = await call(server.url + "/x?a=1", credential)
    assert server.requests[0].path == "/x?a=1&key=tok-6f1c%2F9b%2B2d%3D%3D"
    assert result.error is not None
    assert MASK in result.error["details"]["body"]


@pytest.mark.parametrize(
    "hosts",
    [
        ["api.test"],  # HTTPS only, unless it says otherwise
        ["https://api.test:{port}"],
        ["http://api.test"],  # another port
        ["http://*.api.test:{port}"],
        ["http://test:{port}"],
        ["http://api.test.evil.test:{port}"],
    ],
)
async def test_elsewhere_it_is_refused_before_anything_is_sent(hosts: list[str]) -> None:
    async with serving(echo) as server:
        result = await call(server.url, bearer(*(host.format(port=server.port) for host in hosts)))
    assert result.error is not None
    assert result.error["code"] == "CREDENTIAL_REFUSED"
    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://api.test@evil.test:{port}/",
        "http://api.test:{port}@evil.test:{port}/",
        "http://api.test%2eevil.test:{port}/",
        "http://evil.test:{port}/#@api.test",
        "http://evil.test:{port}?@api.test",
        "http://api.test\\@evil.test:{port}/",
        "http://api.test.:{other}/",
    ],
)
async def test_tricks_with_the_address(url: str) -> None:
    async with serving(echo) as server, serving(echo) as other:
        address = url.format(port=server.port, other=other.port)
        result = await call(address, bearer(f"http://api.test:{server.port}"))
    assert result.error is not None
    assert all("authorization" not in request.headers for request in server.requests + other.requests)


async def test_names_are_compared_as_they_are_resolved() -> None:
    async with serving(echo) as server:
        hosts = bearer(f"http://api.test:{server.port}", f"http://*.wild.test:{server.port}")
        for name in ("API.test", "api.test.", "a.wild.test", "a.b.WILD.test"):
            result = await call(f"http://{name}:{server.port}/", hosts)
            assert result.error is None, name
        assert (await call(f"http://wild.test:{server.port}/", hosts)).error is not None
        assert (await call(f"http://notwild.test:{server.port}/", hosts)).error is not None


async def _redirected(to: str, status: int, **config: Any) -> tuple[RunResult, list[Request], list[Request]]:
    """An allowed host that redirects to `to`; and what it and the others got."""

    def redirect(request: Request) -> Answer:
        return Answer(status, None, {"location": to.format(port=home.port, other=other.port)})

    async with serving(lambda request: redirect(request) if request.path == "/go" else echo(request)) as home:
        async with serving(echo) as other:
            result = await call(home.url + "/go", bearer(f"http://api.test:{home.port}"), **config)
        return result, home.requests, other.requests


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "to",
    [
        "http://evil.test:{other}/",
        "//evil.test:{other}/",
        "http://api.test:{other}/",  # the same host, another service
        "http://api.test@evil.test:{other}/",
        "http://api.test.evil.test:{other}/",
        "http://127.0.0.1:{other}/",
    ],
)
async def test_a_redirect_elsewhere_goes_without_it(to: str, status: int) -> None:
    result, home, others = await _redirected(to, status)
    assert [request.headers.get("authorization") for request in home] == [f"Bearer {TOKEN}"]
    assert [request.headers.get("authorization") for request in others] == [None]
    assert result.error is None


async def test_a_redirect_at_home_keeps_it() -> None:
    _, home, _ = await _redirected("/there", 302)
    assert [request.headers.get("authorization") for request in home] == [f"Bearer {TOKEN}"] * 2


async def test_a_redirect_to_another_scheme_goes_without_it() -> None:
    assert not bearer("api.test").allows(_url("http://api.test/"))
    assert bearer("api.test").allows(_url("https://api.test/"))
    assert not bearer("api.test").allows(_url("https://api.test:444/"))
    assert not bearer("api.test").allows(_url("ftp://api.test/"))


async def test_headers_and_bodies_with_secrets_do_not_follow_a_redirect_elsewhere() -> None:
    headers = {"X-Key": "{{ secrets.KEY }}", "X-Other": "kept"}
    _, home, others = await _redirected("http://evil.test:{other}/", 302, headers=headers)
    assert home[0].headers["x-key"] == TOKEN
    assert "x-key" not in others[0].headers
    assert others[0].headers["x-other"] == "kept"

    body = {"key": "{{ secrets.KEY }}"}
    result, home, others = await _redirected("http://evil.test:{other}/", 307, method="POST", body=body)
    assert home[0].json == {"key": TOKEN}
    assert others == []
    assert result.error is not None
    assert result.error["code"] == "CREDENTIAL_REFUSED"


async def test_a_secret_in_a_config_is_sent_and_masked_everywhere() -> None:
    async with serving(echo) as server:
        result = await call(
            server.url + "/{{ secrets.KEY }}",
            headers={"X-Key": "{{ secrets.KEY }}"},
            query={"k": "{{ secrets.KEY }}"},
            body={"deep": ["{{ secrets.KEY }}"]},
        )
    assert server.requests[0].headers["x-key"] == TOKEN
    assert server.requests[0].json == {"deep": [TOKEN]}
    assert result.steps[0].input["headers"] == {"X-Key": MASK}


async def test_what_follows_sees_the_mask() -> None:
    async with serving(echo) as server:
        definition = graph(
            fetch("a", server.url, {"headers": {"X-Key": "{{ secrets.KEY }}"}}),
            {
                "id": "b",
                "type": "action",
                "subtype": "template",
                "config": {"template": "{{ node_a.output.body.headers['x-key'] }}"},
            },
            "a>b",
        )
        result = await run_definition(definition, egress=_egress.get(), secrets=GivenSecrets({"KEY": TOKEN}))
    assert result.output == {"text": MASK}


async def test_a_dry_run_opens_nothing() -> None:
    class Closed(GivenSecrets):
        async def reveal(self, names: Any) -> Any:
            raise AssertionError

        credential = reveal

    async with serving(echo) as server:
        result = await run_definition(
            graph(fetch("a", server.url, {"headers": {"X": "{{ secrets.NONE }}"}, "credential_id": "api"})),
            egress=_egress.get(),
            secrets=Closed({}),
            dry_run=DryRun(),
        )
    assert server.requests == []
    assert result.output["would"]["headers"] == {"X": MASK}


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"headers": {"X": "{{ secrets.NOBODY }}"}}, "MISSING_SECRET"),
        ({"credential_id": "nobody"}, "MISSING_SECRET"),
        ({"headers": {"X": "{{ secrets[trigger.data] }}"}}, "EXPRESSION_ERROR"),
        ({"headers": {"X": "{{ secrets }}"}}, "EXPRESSION_ERROR"),
    ],
)
async def test_what_is_not_there(config: dict[str, Any], code: str) -> None:
    async with serving(echo) as server:
        result = await call(server.url, **config)
    assert result.error is not None
    assert result.error["code"] == code
    assert server.requests == []


async def test_an_organization_reaches_its_own_hosts_only() -> None:
    async with serving(echo) as server:
        egress = _egress.get().limited(["api.test", "*.wild.test"])

        def redirect(request: Request) -> Answer:
            return Answer(302, None, {"location": f"http://evil.test:{server.port}/"})

        async with serving(redirect) as door:
            for url, code in (
                (server.url, None),
                (f"http://a.wild.test:{server.port}", None),
                (f"http://evil.test:{server.port}", "EGRESS_REFUSED"),
                (f"http://api.test@evil.test:{server.port}", "EGRESS_REFUSED"),
                (door.url, "EGRESS_REFUSED"),
            ):
                result = await run_definition(graph(fetch("a", url, {})), egress=egress)
                assert (result.error and result.error["code"]) == code, url
    assert {request.headers["host"].split(":")[0] for request in server.requests} == {
        "api.test",
        "a.wild.test",
    }


REFUSED = """
* *. *.com
a,b.example a.example/x u@a.example a.example:0 a.example:65536 ftp://a.example *.10.0.0.1 a..example
-a.example [::1 a.example?x a%2eexample http:// https://*
"""


@pytest.mark.parametrize("entry", ["", "a b.example", *REFUSED.split()])
def test_entries_that_are_refused(entry: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is for people
        Origin.parse(entry)


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ("API.Example.com.", "api.example.com"),
        ("https://a.example:443", "a.example"),
        ("http://a.example:80", "http://a.example"),
        ("*.Example.com:8443", "*.example.com:8443"),
        ("[::1]:8080", "[::1]:8080"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("localhost", "localhost"),
    ],
)
def test_entries_in_one_spelling(entry: str, shown: str) -> None:
    assert str(Origin.parse(entry)) == shown
    assert str(Origin.parse(shown)) == shown


def _url(text: str) -> Any:
    import httpx

    return httpx.URL(text)
