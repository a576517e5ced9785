"""Addresses that are not what they seem, and answers that are larger than they look."""

import asyncio
import gzip
import importlib
import zlib

import httpx
import pytest

from engine.egress import GuardedEgress
from engine.errors import EgressRefusedError, ResponseTooLargeError
from tests.engine.http_server import Answer, serving

HERE = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0.0.0.0",  # noqa: S104 - it is refused
    "localhost",
    "LOCALHOST.",
    "localhost.localdomain",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "127。0。0。1",
    "127.0.0.1",
    "①②⑦.⓪.⓪.①",
    "127.0.0.1%00",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1%25lo]",
    "[::1%25lo]",
    "api.example.com@127.0.0.1",
    "api.example.com:80@127.0.0.1",
    "api.example.com%40127.0.0.1",
    "127.0.0.1#@api.example.com",
    "127.0.0.1?@api.example.com",
    "127.0.0.1\\@api.example.com",
    "api.example.com\\@127.0.0.1",
]
OTHER_SCHEMES = [
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "gopher://127.0.0.1:{port}/_GET%20/",
    "dict://127.0.0.1:{port}/info",
    "ftp://127.0.0.1:{port}/x",
    "ldap://127.0.0.1:{port}/",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
    "data:text/plain,x",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}",
]
NO_ANSWER = (EgressRefusedError, httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)


@pytest.mark.parametrize("host", HERE)
async def test_no_spelling_of_this_machine_reaches_it(host):
    async with serving(lambda request: Answer(200, "inside")) as server:
        egress = GuardedEgress()
        async with asyncio.timeout(20), egress.http() as client:
            with pytest.raises(NO_ANSWER):
                await client.get(f"http://{host}:{server.port}/", follow_redirects=True)
        await egress.aclose()
    assert server.requests == []


@pytest.mark.parametrize("url", OTHER_SCHEMES)
async def test_nothing_but_http_goes_out(url):
    async with serving(lambda request: Answer(200, "inside")) as server:
        egress = GuardedEgress(["127.0.0.1"])
        async with egress.http() as client:
            with pytest.raises(NO_ANSWER):
                await client.get(url.format(port=server.port), follow_redirects=True)
        await egress.aclose()
    assert server.requests == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_checked_as_the_first_address_was(status):
    async with serving(lambda request: Answer(200, "inside")) as inside:
        target = {"location": f"http://127.0.0.2:{inside.port}/"}
        async with serving(lambda request: Answer(status, "", target)) as outside:
            egress = GuardedEgress([f"127.0.0.1:{outside.port}"])
            async with egress.http() as client:
                with pytest.raises(EgressRefusedError):
                    await client.get(f"http://127.0.0.1:{outside.port}/", follow_redirects=True)
            await egress.aclose()
            assert len(outside.requests) == 1
        assert inside.requests == []


async def test_a_circle_of_redirects_ends():
    async with serving(lambda request: Answer(302, "", {"location": request.path})) as server:
        egress = GuardedEgress(["127.0.0.1"])
        async with egress.http() as client:
            with pytest.raises(httpx.TooManyRedirects):
                await client.get(f"http://127.0.0.1:{server.port}/", follow_redirects=True)
        await egress.aclose()
    assert len(server.requests) == 11


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


async def answered(library, body, coding, limit=1_000_000, method="GET"):
    http = importlib.import_module(library)
    headers = {"content-encoding": coding, "content-type": "text/plain"}
    async with serving(lambda request: Answer(200, body, headers)) as server:
        egress = GuardedEgress(["127.0.0.1"], max_response_bytes=limit)
        transport = egress.transport() if library == "httpx" else egress.transport2()
        try:
            async with http.AsyncClient(transport=transport, trust_env=False) as client:
                return await client.request(method, f"http://127.0.0.1:{server.port}/")
        finally:
            await egress.aclose()


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress),
        ("X-GZIP", gzip.compress),
        ("identity, gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
        ("identity", bytes),
        ("br", bytes),
    ],
)
async def test_an_answer_arrives_as_it_was_before_it_was_compressed(library, coding, packed):
    text = b"Grace " * 50_000
    answer = await answered(library, packed(text), coding)
    assert answer.content == text
    assert (await answered(library, b"", coding)).content == b""


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_bomb_is_put_out_before_it_fills_the_memory(library, coding):
    packed = (gzip.compress if coding == "gzip" else zlib.compress)(bytes(50_000_000))
    assert len(packed) < 100_000
    with pytest.raises(ResponseTooLargeError) as caught:
        await answered(library, packed, coding)
    assert caught.value.details == {"limit_bytes": 1_000_000}


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
async def test_a_bomb_inside_a_bomb_is_not_even_opened(library):
    http = importlib.import_module(library)
    packed = gzip.compress(gzip.compress(bytes(50_000_000)))
    assert len(packed) < 1_000
    with pytest.raises(http.DecodingError, match="several times"):
        await answered(library, packed, "gzip, gzip")


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
async def test_what_only_says_that_it_is_compressed_is_an_error(library):
    http = importlib.import_module(library)
    for coding in ("gzip", "deflate"):
        with pytest.raises(http.DecodingError):
            await answered(library, b"plain text", coding)


async def test_head_is_told_what_the_body_would_be():
    answer = await answered("httpx", b"", "gzip", method="HEAD")
    assert answer.headers["content-encoding"] == "gzip"
