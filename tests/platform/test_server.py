import asyncio
import base64
import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from agentflow_app.core.settings import Settings
from agentflow_app.headers import SecurityHeaders, inline_scripts
from agentflow_app.server import CachedAssets
from tests.support.processes import Installation


async def _policy(path: str, **headers: str) -> str:
    async def answer(request: object) -> PlainTextResponse:
        return PlainTextResponse("", headers=headers)

    inner = Starlette(routes=[Route("/assets/known.js", answer), Route("/page", answer)])
    transport = httpx.ASGITransport(CachedAssets(inner))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return (await client.get(path)).headers["cache-control"]


async def test_hashed_files_are_kept_and_all_else_is_asked_for_again() -> None:
    assert "immutable" in await _policy("/assets/known.js")
    assert await _policy("/assets/gone.js") == "no-cache"
    assert await _policy("/page") == "no-cache"
    assert await _policy("/page", **{"Cache-Control": "no-store"}) == "no-store"


async def test_who_has_no_session_gets_the_sign_up_page_at_the_door(stack: Installation) -> None:
    async with httpx.AsyncClient(base_url=stack.url) as client:
        stranger = await client.get("/")
        member = await client.get("/", headers={"Cookie": "agentflow_session=any"})

    assert stranger.status_code == 200
    assert 'name="password"' in stranger.text
    assert stranger.headers["cache-control"] == "no-store"
    assert 'name="password"' not in member.text


async def test_pages_and_packed_assets_are_served_from_the_one_port(stack: Installation) -> None:
    async with httpx.AsyncClient(base_url=stack.url, follow_redirects=True) as client:
        page = await client.get("/")
        asset = page.text.split('src="/assets/')[-1].split('"')[0] if 'src="/assets/' in page.text else None
        asset = asset or page.text.split('href="/assets/')[1].split('"')[0]
        file = await client.get(f"/assets/{asset}", headers={"Accept-Encoding": "gzip"})
        missing = await client.get("/assets/no-such-file.js")

    assert page.headers["content-type"].startswith("text/html")
    assert file.headers["content-encoding"] == "gzip"
    assert "immutable" in file.headers["cache-control"]
    assert missing.status_code == 404
    assert missing.headers["cache-control"] == "no-cache"


async def test_every_answer_tells_browsers_what_it_may_do(stack: Installation) -> None:
    async with httpx.AsyncClient(base_url=stack.url, follow_redirects=True) as client:
        answers = [await client.get(path) for path in ("/", "/login", "/agents/x", "/favicon.svg")]
        kept = await client.get("/login/", headers={"If-None-Match": answers[1].headers["etag"]})
        data = [await client.get(path) for path in ("/api/v1/agents", "/healthz", "/assets/none.js")]

    for answer in (*answers, *data):
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"], answer.url
        assert answer.headers.get_list("x-frame-options") == ["DENY"]
        assert answer.headers.get_list("referrer-policy") == ["same-origin"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "strict-transport-security" not in answer.headers
    assert kept.status_code == 304
    for page in (*answers[:3], kept):
        policy = page.headers["content-security-policy"]
        scripts = policy.split("script-src ")[1].split(";")[0]
        assert "'unsafe-inline'" not in scripts
        assert "http" not in policy
    assert data[0].headers["content-security-policy"].startswith("default-src 'none'")


def test_every_inline_script_of_a_page_is_named_by_its_hash() -> None:
    page = '<script>one()</script><script src="a.js"></script><script type="module">two()</script>'
    hashes = inline_scripts([page, page])
    digest = base64.b64encode(hashlib.sha256(b"one()").digest()).decode()
    assert len(hashes) == 2
    assert f"'sha256-{digest}'" in hashes


async def test_production_insists_on_tls(tmp_path: Path) -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("")(scope, receive, send)

    config = Settings().model_copy(update={"env": "production"})
    transport = httpx.ASGITransport(SecurityHeaders(inner, config, tmp_path))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert "max-age=63072000" in (await client.get("/")).headers["strict-transport-security"]


async def test_the_documentation_needs_no_other_server(stack: Installation) -> None:
    async with httpx.AsyncClient(base_url=stack.url + "/api/v1") as client:
        page = await client.get("/docs")
        files = [await client.get("/docs/" + name) for name in ("swagger-ui-bundle.js", "start.js")]
        none = await client.get("/docs/secrets.txt")

    assert "http" not in page.text.replace("http-equiv", "")
    assert [file.status_code for file in files] == [200, 200]
    assert none.status_code == 404


def _socket(stack: Installation, origin: str) -> Any:
    address = f"{stack.url.replace('http', 'ws')}/_event/?EIO=4&transport=websocket"
    return connect(address, origin=Origin(origin), open_timeout=20)


async def test_the_pages_socket_opens_for_our_own_pages_alone(stack: Installation) -> None:
    async with _socket(stack, stack.url) as own:
        assert str(await own.recv()).startswith("0")
    for origin in ("https://evil.example", f"{stack.url}.evil.example", "null"):
        with pytest.raises(InvalidStatus) as refused:
            async with _socket(stack, origin):
                pass
        assert refused.value.response.status_code in (400, 403)
        async with httpx.AsyncClient() as client:
            polled = await client.get(
                f"{stack.url}/_event/?EIO=4&transport=polling", headers={"Origin": origin}
            )
        assert polled.status_code in (400, 403)


BODIES = ("/api/v1/auth/login", "/api/v1/hooks/unknown")


def _head(stack: Installation, path: str, length: str) -> bytes:
    lines = (f"POST {path} HTTP/1.1", f"Host: {stack.url[7:]}", "Content-Type: application/json", length)
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize("path", BODIES)
async def test_a_body_that_will_be_too_large_is_refused_before_it_comes(
    stack: Installation, path: str
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    writer.write(_head(stack, path, f"Content-Length: {2**31}"))
    assert b" 413 " in await reader.readline()
    writer.close()


async def _pour(writer: asyncio.StreamWriter) -> None:
    for _ in range(8000):
        writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize("path", BODIES)
async def test_a_body_without_end_is_cut_off_and_not_kept(stack: Installation, path: str) -> None:
    web = stack.processes()["web"]
    before = web.memory_info().rss
    _, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    writer.write(_head(stack, path, "Transfer-Encoding: chunked"))
    with pytest.raises(ConnectionError):
        await _pour(writer)
    assert web.memory_info().rss - before < 60_000_000
