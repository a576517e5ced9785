"""Text of people and models is shown, never run: markup in every place that a page shows."""

import re

from playwright.async_api import expect

from tests.actors import definition, node
from tests.e2e.conftest import Visit

MARKUP = "<img src=x onerror='window.taken=1'><script>window.taken=1</script>[x](javascript:window.taken=1)"
HOSTILE = definition(
    node("start", "trigger.manual"),
    node("say", "action.template", template=MARKUP),
    node("ask", "human.approval", message=MARKUP, show={"text": MARKUP}, editable=True),
    edges=[("start", "say"), ("say", "ask")],
)


async def test_markup_stays_text_on_every_page(visit: Visit) -> None:
    ada = await visit()
    page = ada.page
    login = await ada.context.request.post(
        f"{ada.url}/api/v1/auth/login", data={"email": ada.email, "password": "correct horse battery"}
    )
    token = (await login.json())["access_token"]
    agent = await ada.api("POST", "/agents", token, name=MARKUP, description=MARKUP)
    await ada.api("POST", f"/agents/{agent['id']}/publish", token, definition=HOSTILE, change_message=MARKUP)
    run = await ada.api("POST", f"/agents/{agent['id']}/execute", token, trigger_data={"text": MARKUP})
    await ada.api("POST", "/org/teams", token, name=MARKUP)
    await ada.api("POST", "/org/variables", token, name="hostile", value=MARKUP)
    await ada.api("PUT", "/auth/profile", token, name=MARKUP)

    paths = {
        "/": None,
        "/agents": "table",
        f"/agents/{agent['id']}": "canvas",
        "/runs": "table",
        f"/runs/{run['id']}": "run",
        "/approvals": "approval",
        "/settings/members": "table",
        "/settings/teams": "team",
        "/settings/secrets": "variable",
        "/settings/audit": "table",
        "/settings/profile": "form",
    }
    for path, place in paths.items():
        await ada.go(path)
        await expect(page.get_by_role("status", name="Loading")).to_have_count(0)
        if place in ("table", "approval", "team", "variable"):
            await expect(page.get_by_text(re.compile("<img src=x onerror")).first).to_be_visible()
        assert await page.locator("img[src=x]").count() == 0, path
        assert await page.locator("a[href^='javascript:']").count() == 0, path
        assert await page.evaluate("window.taken") is None, path
