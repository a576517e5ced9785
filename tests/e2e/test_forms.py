"""Forms that schemas draw: a stranger's on a public page, a colleague's in the inbox."""

from playwright.async_api import expect

from tests.actors import definition, node
from tests.e2e.conftest import PHONE, Visit

ASKED = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "title": "Reason", "description": "Two words are enough."},
        "amount": {"type": "integer", "maximum": 500},
        "size": {"enum": ["small", "large"]},
        "story": {"type": "string", "maxLength": 5000},
        "agree": {"type": "boolean", "title": "I have read the rules"},
    },
    "required": ["reason"],
}
FORMS = definition(
    node("form", "trigger.form", input_schema=ASKED),
    node("ask", "human.input", message="Why so much?\nTell us in a sentence.", schema=ASKED),
    node("out", "action.set", values={"first": "{{ trigger.data }}", "second": "{{ node_ask.output.data }}"}),
)
WAITS = definition(node("start", "trigger.manual"), node("call", "logic.wait_webhook"))


async def test_a_stranger_starts_a_run_and_a_colleague_goes_on_with_it(visit: Visit) -> None:
    ada = await visit()
    page = ada.page
    login = await ada.context.request.post(
        f"{ada.url}/api/v1/auth/login", data={"email": ada.email, "password": "correct horse battery"}
    )
    token = (await login.json())["access_token"]
    agent = await ada.api("POST", "/agents", token, name="Refunds", description="Tell us what you want back.")
    await ada.api("POST", f"/agents/{agent['id']}/publish", token, definition=FORMS)
    shown = await ada.api("GET", f"/agents/{agent['id']}", token)
    address = shown["trigger_config"]["form_url"].removeprefix(ada.url)

    stranger = await visit(sign_up=False, size=PHONE)
    await stranger.go(address)
    form = stranger.page
    await expect(form.get_by_role("heading", name="Refunds")).to_be_visible()
    await form.get_by_label("Reason").fill("Broken chair")
    await form.get_by_label("Amount").fill("900")
    await form.get_by_role("button", name="Send").click()
    await expect(form.get_by_text("900 is greater than the maximum")).to_be_visible()
    await expect(form.get_by_label("Reason")).to_have_value("Broken chair")
    await form.get_by_label("Amount").fill("90")
    await form.get_by_role("button", name="Send").click()
    await expect(form.get_by_role("status")).to_contain_text("Thank you")

    await ada.go("/approvals")
    card = page.locator("[data-approval]")
    await expect(card).to_contain_text("Why so much?")
    await card.get_by_label("Amount").fill("900")
    await card.get_by_label("Reason").fill("It broke")
    await card.get_by_role("button", name="Send").click()
    await expect(page.get_by_text("900 is greater than the maximum")).to_be_visible()
    await card.get_by_label("Amount").fill("90")
    await card.get_by_label("I have read the rules").check()
    await card.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("heading", name="Nothing waits for you")).to_be_visible()

    (run,) = (await ada.api("GET", f"/agents/{agent['id']}/executions", token))["data"]
    await ada.go(f"/runs/{run['id']}")
    await expect(page.locator("main header").locator("[data-status=completed]")).to_be_visible()
    await expect(page.get_by_role("group", name="Output").last).to_contain_text("It broke")


async def test_a_run_that_waits_for_a_call_shows_its_address(visit: Visit) -> None:
    ada = await visit()
    login = await ada.context.request.post(
        f"{ada.url}/api/v1/auth/login", data={"email": ada.email, "password": "correct horse battery"}
    )
    token = (await login.json())["access_token"]
    agent = await ada.api("POST", "/agents", token, name="Waits")
    await ada.api("POST", f"/agents/{agent['id']}/publish", token, definition=WAITS)
    run = await ada.api("POST", f"/agents/{agent['id']}/execute", token, trigger_data={})
    await ada.go(f"/runs/{run['id']}")
    await ada.page.locator("[data-step=call]").get_by_role("button").click()
    await expect(ada.page.get_by_text("/api/v1/public/resume/")).to_be_visible()
