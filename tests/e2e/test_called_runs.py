"""Agents that run agents, in the browser: chosen from a list, and one run leads to the other and back."""

from playwright.async_api import expect

from tests.actors import GREETING, definition, node
from tests.e2e.conftest import PASSWORD, PHONE, Visit


async def test_an_agent_is_chosen_and_its_run_is_found_from_both_sides(visit: Visit) -> None:
    ada = await visit()
    page = ada.page
    login = await ada.context.request.post(
        f"{ada.url}/api/v1/auth/login", data={"email": ada.email, "password": PASSWORD}
    )
    token = (await login.json())["access_token"]
    inner = await ada.api("POST", "/agents", token, name="Greeter")
    await ada.api("POST", f"/agents/{inner['id']}/publish", token, definition=GREETING)
    graph = definition(node("start", "trigger.manual"), node("call", "action.run_agent", agent_id=""))
    outer = await ada.api("POST", "/agents", token, name="Caller", definition=graph)

    await ada.go(f"/agents/{outer['id']}")
    await page.locator(".react-flow__node").nth(1).click()
    inspector = page.get_by_role("complementary", name="Selected node")
    picker = inspector.get_by_label("Agent", exact=True)
    await expect(inspector.get_by_role("alert").first).to_be_visible()
    await picker.select_option(label="Greeter")
    await expect(inspector.get_by_role("alert")).to_have_count(0)
    await page.get_by_role("button", name="Publish").click()
    await page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)

    run = await ada.api("POST", f"/agents/{outer['id']}/execute", token, trigger_data={})
    await ada.go(f"/runs/{run['id']}")
    await expect(page.get_by_text("Completed").first).to_be_visible()
    await page.locator("[data-step=call] button").click()
    await page.set_viewport_size(PHONE)
    await page.get_by_role("link", name="Open the run that it called").click()
    await expect(page.get_by_role("heading", name="Greeter")).to_be_visible()
    await page.get_by_role("link", name="Called by another run").click()
    await expect(page.get_by_role("heading", name="Caller")).to_be_visible()
