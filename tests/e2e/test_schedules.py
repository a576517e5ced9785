"""Schedules in the browser: in the builder while one types, and on their page."""

from playwright.async_api import expect

from tests.actors import definition, node
from tests.e2e.conftest import PASSWORD, Visit

NEPAL = {"cron": "30 2 * * *", "timezone": "Asia/Kathmandu"}


async def test_the_next_runs_are_shown_while_editing_and_in_the_list(visit: Visit) -> None:
    ada = await visit()
    page = ada.page
    login = await ada.context.request.post(
        f"{ada.url}/api/v1/auth/login", data={"email": ada.email, "password": PASSWORD}
    )
    token = (await login.json())["access_token"]
    agent = await ada.api("POST", "/agents", token, name="Night report")
    graph = definition(node("clock", "trigger.schedule", **NEPAL))
    await ada.api("POST", f"/agents/{agent['id']}/publish", token, definition=graph)

    await ada.go("/schedules")
    row = page.get_by_role("table", name="Schedules").locator("[data-schedule]")
    await expect(row).to_have_count(1)
    await expect(row.get_by_text("02:30")).to_have_count(5)
    await expect(row.get_by_text("Asia/Kathmandu")).to_be_visible()
    await page.get_by_label("Search schedules").fill("nothing like it")
    await expect(page.get_by_role("heading", name="No schedule fits")).to_be_visible()
    await page.get_by_label("Search schedules").fill("night")

    await row.get_by_role("link", name="Night report").click()
    await page.locator(".react-flow__node").first.click()
    inspector = page.get_by_role("complementary", name="Selected node")
    await expect(inspector.get_by_text("02:30")).to_have_count(5)
    await inspector.get_by_label("Cron expression").fill("45 3 * * *")
    await expect(inspector.get_by_text("03:45")).to_have_count(5)
    await inspector.get_by_label("Cron expression").fill("99 3 * * *")
    await expect(inspector.get_by_role("alert")).to_contain_text("minute")
