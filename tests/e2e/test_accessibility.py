"""axe finds nothing on any page, in light and in dark."""

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.e2e.conftest import Visit

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
    for path in PAGES if member else DOORS:
        await visitor.go(path)
        if member:
            await expect(visitor.page.get_by_role("heading", level=1)).to_be_visible()
        await expect(visitor.page.get_by_role("status", name="Loading")).to_have_count(0)
        found = await Axe().run(visitor.page, options=RULES)
        for each in found.response["violations"]:
            faults[f"{path} {each['id']}"] = [node["html"] for node in each["nodes"]]
    assert faults == {}
