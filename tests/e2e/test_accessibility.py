"""axe finds nothing on any page, in light and in dark."""

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.e2e.conftest import Visit, Visitor

PAGES = (
    "/",
    "/agents",
    "/runs",
    "/approvals",
    "/settings/organization",
    "/settings/members",
    "/settings/roles",
    "/settings/teams",
    "/settings/api-keys",
    "/settings/secrets",
    "/settings/credentials",
    "/settings/sso",
    "/settings/audit",
    "/settings/danger",
    "/settings/privacy",
    "/settings/sso",
    "/settings/profile",
    "/settings/security",
)
DOORS = ("/login", "/login/sso", "/signup", "/forgot")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("member", [True, False])
async def test_axe_finds_nothing(visit: Visit, member: bool, scheme: str) -> None:
    visitor = await visit(sign_up=member, color_scheme=scheme, reduced_motion="reduce")
    faults = {}
    for path in (*PAGES, *await _of_the_sample(visitor)) if member else DOORS:
        await visitor.go(path)
        if member:
            await expect(visitor.page.get_by_role("heading", level=1)).to_be_visible()
        if path.startswith(("/agents/", "/runs/")):
            await visitor.page.locator(".react-flow__node").last.click()
        await expect(visitor.page.get_by_role("status", name="Loading")).to_have_count(0)
        found = await Axe().run(visitor.page, options=RULES)
        for each in found.response["violations"]:
            faults[f"{path} {each['id']}"] = [node["html"] for node in each["nodes"]]
    assert faults == {}


async def _of_the_sample(visitor: Visitor) -> list[str]:
    """The builder and the run page, with what everybody finds there first."""
    page = visitor.page
    await visitor.go("/")
    runs = page.get_by_role("table", name="Last runs")
    await expect(runs.locator("[data-status=completed]")).to_have_count(1)
    links = (page.get_by_role("link", name="Open on the canvas"), runs.get_by_role("link").first)
    found = [await link.get_attribute("href") or "" for link in links]
    assert [path.split("/")[1] for path in found] == ["agents", "runs"]
    return found
