"""The page of a run: what brings it on its way again."""

from playwright.async_api import expect

from tests.actors import definition, node
from tests.e2e.conftest import PASSWORD, Visit

GRAPH = definition(
    node("start", "trigger.manual"),
    node("first", "action.set", values={"word": "old"}),
    node("second", "action.template", template="It says {{ node_first.output.word }}"),
)


async def test_a_run_is_replayed_with_another_output_and_its_dialog_stays_with_it(visit: Visit) -> None:
    ada = await visit()
    page = ada.page
    login = await ada.context.request.post(
        f"{ada.url}/api/v1/auth/login", data={"email": ada.email, "password": PASSWORD}
    )
    token = (await login.json())["access_token"]
    agent = await ada.api("POST", "/agents", token, name="Speaker")
    await ada.api("POST", f"/agents/{agent['id']}/publish", token, definition=GRAPH)
    run = await ada.api("POST", f"/agents/{agent['id']}/execute?wait=30", token, trigger_data={})
    other = await ada.api("POST", f"/agents/{agent['id']}/execute?wait=30", token, trigger_data={})

    await ada.go(f"/runs/{run['id']}")
    await page.locator(".react-flow__node", has_text="Set values").click()
    replay = page.get_by_role("button", name="Replay from here")
    await replay.click()
    output = page.get_by_label("The step's output")
    await expect(output).to_have_value('{\n  "word": "old"\n}')
    await ada.go(f"/runs/{other['id']}")
    await expect(page.get_by_role("heading", name="Speaker")).to_be_visible()
    await expect(page.get_by_role("dialog")).to_have_count(0)

    await page.locator(".react-flow__node", has_text="Set values").click()
    await replay.click()
    await output.fill('{"word": "new"}')
    await page.get_by_role("button", name="Use this output").click()
    await page.wait_for_url(lambda url: "/runs/" in url and other["id"] not in url)
    await expect(page.get_by_text("It says new").first).to_be_visible()
    await page.get_by_role("link", name="Compare with the original").click()
    await page.wait_for_url(f"**/runs/{other['id']}/compare/*")
    steps = page.get_by_role("list", name="Steps of both runs")
    await expect(steps.locator("[data-change=changed]")).to_have_count(3)
    await steps.get_by_role("button", name="Set values").click()
    output = page.get_by_role("region", name="Output")
    await expect(output.get_by_text('"word": "old"')).to_be_visible()
    await expect(output.get_by_text('"word": "new"')).to_be_visible()
    await page.get_by_role("button", name="Show the step that is the same").click()
    await expect(steps.get_by_role("button")).to_have_count(4)

    await ada.go("/runs")
    ticks = page.get_by_role("checkbox", name="Compare this run of Speaker")
    for row in (1, 2):
        # Ticked once the server says so, which `check` does not wait for.
        await ticks.nth(row).click()
        await expect(ticks.nth(row)).to_be_checked()
    await page.get_by_role("link", name="Compare the two runs").click()
    await page.wait_for_url(f"**/runs/{other['id']}/compare/{run['id']}")
    await expect(page.get_by_role("heading", name="Two runs compared")).to_be_visible()
    await expect(steps.locator("[data-change=changed]")).to_have_count(0)
