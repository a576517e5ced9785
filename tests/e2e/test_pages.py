import re
from uuid import uuid4

import pytest
from playwright.async_api import expect

from tests.e2e.conftest import PHONE, Visit


async def test_filters_live_in_the_address(visit: Visit) -> None:
    ada = await visit()
    page = ada.page
    await ada.go("/runs")
    await expect(page.get_by_role("table", name="Runs").locator("[data-run]")).to_have_count(1)
    await page.get_by_label("Status").select_option("failed")
    await expect(page).to_have_url(f"{ada.url}/runs?status=failed")
    await expect(page.get_by_role("heading", name="No run fits")).to_be_visible()
    await page.reload()
    await expect(page.get_by_label("Status")).to_have_value("failed")
    await page.get_by_label("Search runs").fill("50% & more")
    await expect(page).to_have_url(f"{ada.url}/runs?search=50%25+%26+more&status=failed")
    await page.reload()
    await expect(page.get_by_label("Search runs")).to_have_value("50% & more")
    await page.get_by_role("button", name="Clear filters").click()
    await expect(page.get_by_role("table", name="Runs").locator("[data-run]")).to_have_count(1)


async def test_agents_are_found_paused_and_archived(visit: Visit) -> None:
    ada = await visit()
    page = ada.page
    await ada.go("/agents")
    await page.get_by_label("Search agents").fill("nothing like it")
    await expect(page.get_by_role("heading", name="No agent fits")).to_be_visible()
    await page.get_by_role("button", name="Clear filters").click()
    row = page.locator("[data-agent]")
    await expect(row).to_have_count(1)
    await page.get_by_role("button", name="More about Lead router").click()
    await page.get_by_role("menuitem", name="Pause").click()
    await expect(row.locator("[data-status=paused]")).to_be_visible()
    await expect(page.get_by_role("menu")).to_have_count(0)
    await page.get_by_role("button", name="More about Lead router").click()
    await page.get_by_role("menuitem", name="Archive").click()
    await page.get_by_role("dialog").get_by_role("button", name="Archive").click()
    await expect(page.get_by_role("heading", name="No agents yet")).to_be_visible()


@pytest.mark.parametrize("path", ["/agents", "/runs"])
async def test_what_is_not_there_or_not_mine_looks_the_same(visit: Visit, path: str) -> None:
    ada, mallory = await visit(), await visit()
    await ada.go(path)
    await ada.page.get_by_role("link", name="Lead router").click()
    await ada.page.wait_for_url(re.compile(r"/[0-9a-f-]{36}$"))
    for address in (ada.page.url, f"{ada.url}{path}/{uuid4()}", f"{ada.url}{path}/nonsense"):
        await mallory.page.goto(address)
        await expect(mallory.page.get_by_role("heading", name="Not found")).to_be_visible()


async def test_an_unknown_address_says_so(visit: Visit) -> None:
    ada = await visit()
    await ada.go("/nowhere")
    await expect(ada.page.get_by_role("heading", name="There is no such page")).to_be_visible()


@pytest.mark.parametrize("path", ["/", "/agents", "/runs", "/approvals", "/schedules"])
async def test_lists_fit_a_phone(visit: Visit, path: str) -> None:
    ada = await visit(size=PHONE)
    await ada.go(path)
    await expect(ada.page.get_by_role("navigation", name="Main, below")).to_be_visible()
    await expect(ada.page.get_by_role("status", name="Loading")).to_have_count(0)
    assert await ada.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_new_run_appears_in_the_list_by_itself(visit: Visit) -> None:
    ada = await visit()
    await ada.go("/runs")
    rows = ada.page.get_by_role("table", name="Runs").locator("[data-run]")
    await expect(rows).to_have_count(1)
    other = await visit(like=ada)
    await other.go("/")
    await other.page.get_by_role("button", name="Run it again").click()
    await other.page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}$"))
    await expect(rows).to_have_count(2)
    await expect(rows.first.locator("[data-status=completed]")).to_be_visible()
