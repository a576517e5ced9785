import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from agentflow_app.server import CachedAssets, OriginCheck
from tests.support.processes import Installation


@pytest.mark.parametrize(
    ("origin", "host", "accepted"),
    [
        (None, "app.example", True),
        ("https://app.example", "app.example", True),
        ("http://192.168.1.5:3000", "192.168.1.5:3000", True),
        ("https://listed.example", "app.example", True),
        ("https://evil.example", "app.example", False),
        ("https://app.example.evil", "app.example", False),
        ("null", "app.example", False),
    ],
)
def test_only_our_own_and_listed_pages_open_sockets(origin: str | None, host: str, accepted: bool) -> None:
    assert OriginCheck(["https://listed.example"])(origin, {"HTTP_HOST": host}) is accepted


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
