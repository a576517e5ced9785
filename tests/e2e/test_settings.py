"""An organization run from its settings: people come, change roles and go, keys and secrets are made."""

from urllib.parse import urlsplit

from playwright.async_api import expect

from tests.e2e.conftest import Visit


async def test_somebody_is_invited_joins_and_is_shut_out(visit: Visit) -> None:
    ada, charles = await visit(), await visit()
    await ada.go("/settings/members")
    await ada.page.get_by_role("button", name="Invite").click()
    form = ada.page.get_by_role("dialog")
    await form.get_by_label("E-mail address").fill(charles.email)
    await form.get_by_label("Role").select_option("editor")
    await form.get_by_role("button", name="Invite").click()
    link = await form.get_by_role("textbox", name="Invitation link").input_value()
    await form.get_by_role("button", name="Done").click()

    await charles.go(urlsplit(link).path)
    await charles.page.get_by_role("button", name="Join").click()
    await expect(charles.page.get_by_role("link", name="Agents").first).to_be_visible()
    await charles.go("/settings/members")
    await expect(charles.page.locator(f"[data-member='{ada.email}']")).to_be_visible()

    await ada.page.reload()
    member = ada.page.locator(f"[data-member='{charles.email}']")
    await member.get_by_role("combobox").select_option("viewer")
    await charles.go("/agents")
    await expect(charles.page.get_by_role("heading", name="Agents")).to_be_visible()
    await expect(charles.page.get_by_role("button", name="New agent")).to_have_count(0)
    await member.get_by_role("button", name="More about").click()
    await ada.page.get_by_role("menuitem", name="Deactivate").click()
    await ada.page.get_by_role("dialog").get_by_role("button", name="Yes, take away access").click()
    await expect(member).to_contain_text("Deactivated")
    await charles.page.reload()
    await charles.page.wait_for_url("**/login**")

    await ada.go("/settings/audit")
    entries = ada.page.get_by_role("table", name="Audit log")
    await expect(entries).to_contain_text("Member deactivated")
    await expect(entries).to_contain_text("Member joined")
    await entries.get_by_role("button", name="Member role changed").click()
    await expect(ada.page.get_by_role("dialog")).to_contain_text("editor")


async def test_a_key_is_shown_once_and_a_secret_never(visit: Visit) -> None:
    ada = await visit()
    page = ada.page
    await ada.go("/settings/api-keys")
    await page.get_by_role("button", name="New key").first.click()
    form = page.get_by_role("dialog")
    await form.get_by_role("textbox", name="Name").fill("CI")
    await form.get_by_role("checkbox", name="agents:read").check()
    await form.get_by_role("button", name="Make the key").click()
    key = await form.get_by_role("textbox", name="The new API key").input_value()
    assert key.startswith("af_")
    answer = await ada.context.request.get(f"{ada.url}/api/v1/agents", headers={"X-API-Key": key})
    assert answer.ok
    await form.get_by_role("button", name="Done").click()
    await page.reload()
    await expect(page.get_by_text("CI", exact=True)).to_be_visible()
    assert key not in await page.content()

    await ada.go("/settings/secrets")
    await page.get_by_role("button", name="New secret").first.click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Name").fill("STRIPE_KEY")
    await form.get_by_label("Value").fill("sk_live_canary_123")
    await form.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("STRIPE_KEY")).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("STRIPE_KEY")).to_be_visible()
    assert "sk_live_canary" not in await page.content()
