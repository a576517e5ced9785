"""Sign up, see the sample's run, change it on the canvas, test, publish, run, and watch it end green."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import Visit, Visitor

RUN_URL = re.compile(r"/runs/[0-9a-f-]{36}$")
NODES = ("start", "hook", "classify", "route", "offer", "approve", "reply")


async def open_sample(page: Page, url: str) -> None:
    await page.goto(f"{url}/agents")
    await page.get_by_role("link", name="Lead router").click()
    await expect(page.locator("[data-node]")).to_have_count(len(NODES))
    await expect(page.locator("[data-saved=saved]")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_from_home_to_a_green_run(visit: Visit, scheme: str) -> None:
    ada = await visit(color_scheme=scheme)
    page = ada.page
    await ada.go("/")
    await expect(
        page.get_by_role("table", name="Last runs").locator("[data-status=completed]")
    ).to_have_count(1)
    await page.get_by_role("link", name="Open on the canvas").click()

    await page.locator("[data-node=reply]").click()
    template = page.get_by_role("textbox", name="Template")
    await template.fill("Dear {{ trigger.data.name }}, we will be in touch.")
    await expect(page.locator("[data-saved=saved]")).to_be_visible()
    await expect(page.locator("[data-node=reply]")).to_contain_text("we will be in touch")

    await page.get_by_role("button", name="Test", exact=True).click()
    for node in NODES:
        expected = "skipped" if node in ("hook", "offer", "approve") else "completed"
        await expect(page.locator(f"[data-node={node}]")).to_have_attribute("data-status", expected)
    await expect(page.get_by_role("group", name="Result").last).to_contain_text("we will be in touch")
    await expect(page.get_by_text("Demo model").first).to_be_visible()

    await page.get_by_role("button", name="Publish").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("list", name="Changes")).to_contain_text("Friendly reply")
    await dialog.get_by_label("What changed?").fill("A warmer reply")
    await dialog.get_by_role("button", name="Publish").click()
    await expect(page.get_by_text("Version 2 is live")).to_be_visible()

    await page.get_by_role("button", name="Run", exact=True).click()
    await page.wait_for_url(RUN_URL)
    header = page.locator("main header")
    await expect(header.locator("[data-status=completed]")).to_be_visible()
    await expect(page.locator("[data-step=reply]")).to_have_attribute("data-status", "completed")
    await expect(page.get_by_role("group", name="Output").last).to_contain_text("Dear Ada")


async def _with_a_hot_lead(visit: Visit) -> Visitor:
    """A visitor on the page of a run that waits for somebody's approval."""
    ada = await visit()
    page = ada.page
    await open_sample(page, ada.url)
    await page.get_by_role("tab", name="Input").click()
    await page.get_by_label("Trigger data, as JSON").fill(
        '{"name": "Ben", "message": "We want to buy 500 licenses today, budget is approved, '
        'call me urgently"}'
    )
    await page.get_by_role("button", name="Run", exact=True).click()
    await page.wait_for_url(RUN_URL)
    await expect(page.locator("main header").locator("[data-status=waiting]")).to_be_visible()
    return ada


async def test_a_hot_lead_waits_for_a_person_who_approves_it_in_the_inbox(visit: Visit) -> None:
    ada = await _with_a_hot_lead(visit)
    page = ada.page
    await expect(page.get_by_role("button", name="Approve", exact=True)).to_be_visible()

    inbox = await visit(like=ada)
    await inbox.go("/approvals")
    await expect(inbox.page.locator("[data-approval]")).to_have_count(1)
    await inbox.page.get_by_label("What is to be approved").fill("Hello Ben, 500 seats are yours.")
    await inbox.page.get_by_label("Comment").fill("Call him")
    await inbox.page.get_by_role("button", name="Approve", exact=True).click()
    await expect(inbox.page.get_by_role("heading", name="Nothing waits for you")).to_be_visible()

    # The run's page, in the other window, follows by itself.
    await expect(page.locator("main header").locator("[data-status=completed]")).to_be_visible()
    await expect(page.locator("[data-step=approve]")).to_have_attribute("data-status", "completed")
    await expect(page.get_by_role("group", name="Output").last).to_contain_text("500 seats are yours")


async def test_a_waiting_run_is_cancelled_on_its_page(visit: Visit) -> None:
    ada = await _with_a_hot_lead(visit)
    page = ada.page
    await page.get_by_role("button", name="Cancel run").click()
    await expect(page.locator("main header").locator("[data-status=cancelled]")).to_be_visible()
    await page.get_by_role("button", name="Run again").click()
    await expect(page.locator("main header").locator("[data-status=waiting]")).to_be_visible()
