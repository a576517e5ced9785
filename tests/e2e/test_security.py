"""A person's own security, in real browsers: second factor, passkey, sessions, a new password."""

import time

import pyotp
from playwright.async_api import Page, expect

from tests.e2e.conftest import PASSWORD, PHONE, Visit, Visitor
from tests.support.processes import Installation

VIRTUAL = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


async def _log_in(visitor: Visitor) -> None:
    await visitor.page.get_by_label("Email").fill(visitor.email)
    await visitor.page.get_by_label("Password").fill(PASSWORD)
    await visitor.page.get_by_role("button", name="Log in", exact=True).click()


async def _prove(visitor: Visitor) -> None:
    await visitor.page.get_by_label("Your password").fill(PASSWORD)
    await visitor.page.get_by_role("button", name="Confirm", exact=True).click()


async def _is_home(page: Page) -> None:
    await expect(page.get_by_role("heading", name="Home", exact=True)).to_be_visible()


async def test_an_authenticator_app_is_set_up_and_asked_for(visit: Visit) -> None:
    ada = await visit()
    await ada.go("/settings/security")
    await ada.page.get_by_role("button", name="Set up").click()
    await ada.page.get_by_label("Your password").fill("not the password")
    await ada.page.get_by_role("button", name="Confirm", exact=True).click()
    await expect(ada.page.get_by_role("alert")).to_contain_text("Password: is wrong")
    await _prove(ada)
    await expect(ada.page.get_by_alt_text("QR code for the authenticator app")).to_be_visible()
    secret = await ada.page.get_by_role("dialog").locator("code").inner_text()
    app = pyotp.TOTP(secret)
    step = int(time.time()) // 30
    await ada.page.get_by_label("Code", exact=True).fill(app.at(step * 30))
    await ada.page.get_by_role("button", name="Turn on").click()
    shown = ada.page.get_by_role("list", name="Recovery codes").get_by_role("listitem")
    await expect(shown).to_have_count(10)
    recovery = (await shown.all_inner_texts())[0]
    await ada.page.get_by_role("button", name="Done").click()
    await expect(ada.page.get_by_text(recovery)).to_have_count(0)

    phone = await visit(sign_up=False, size=PHONE)
    phone.email = ada.email
    await phone.go("/login/?next=/runs")
    await _log_in(phone)
    await expect(phone.page.get_by_label("Code")).to_be_focused()
    await phone.page.keyboard.type(app.at(step * 30))  # the one that was used
    await phone.page.keyboard.press("Enter")
    await expect(phone.page.get_by_role("alert")).to_be_visible()
    await phone.page.get_by_label("Code").fill(app.at((step + 1) * 30))
    await phone.page.get_by_role("button", name="Confirm").click()
    await expect(phone.page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()

    lost = await visit(sign_up=False)
    lost.email = ada.email
    await lost.go("/login")
    await _log_in(lost)
    await lost.page.get_by_label("Code").fill(recovery)
    await lost.page.get_by_role("button", name="Confirm").click()
    await _is_home(lost.page)


async def test_a_passkey_is_added_and_logs_in(visit: Visit, stack: Installation) -> None:
    ada = await visit(sign_up=False)
    ada.url = stack.url.replace("127.0.0.1", "localhost")  # passkeys are bound to a name
    account = {"email": ada.email, "password": PASSWORD, "name": "Ada", "org_name": "Engines"}
    await ada.context.request.post(f"{ada.url}/api/v1/auth/signup?session=page", data=account)
    device = await ada.context.new_cdp_session(ada.page)
    await device.send("WebAuthn.enable")
    await device.send("WebAuthn.addVirtualAuthenticator", {"options": VIRTUAL})
    await ada.go("/settings/security")
    await ada.page.get_by_role("button", name="Add a passkey").click()
    await _prove(ada)
    await ada.page.get_by_label("Name").fill("My laptop")
    await ada.page.get_by_role("button", name="Go on").click()
    await expect(ada.page.get_by_role("heading", name="Keep these recovery codes")).to_be_visible()
    await ada.page.get_by_role("button", name="Done").click()
    await expect(ada.page.get_by_text("My laptop", exact=True)).to_be_visible()

    await ada.context.clear_cookies()
    await ada.go("/login")
    await ada.page.get_by_role("button", name="Log in with a passkey").click()
    await _is_home(ada.page)

    await ada.context.clear_cookies()
    await ada.go("/login")
    await _log_in(ada)
    await ada.page.get_by_role("button", name="Use a passkey").click()
    await _is_home(ada.page)

    await ada.go("/settings/security")
    await ada.page.get_by_role("button", name="Remove My laptop").click()
    await ada.page.get_by_role("button", name="Use a passkey").click()
    await ada.page.get_by_role("button", name="Remove passkey").click()
    await expect(ada.page.get_by_text("My laptop", exact=True)).to_have_count(0)


async def test_a_session_that_is_ended_is_thrown_out_while_it_looks_on(visit: Visit) -> None:
    ada = await visit()
    other = await visit(sign_up=False)
    other.email = ada.email
    await other.go("/login")
    await _log_in(other)
    await _is_home(other.page)
    await ada.go("/settings/security")
    await ada.page.get_by_role("button", name="End", exact=True).click()
    await ada.page.get_by_role("button", name="End session").click()
    await expect(ada.page.get_by_role("button", name="End", exact=True)).to_have_count(0)
    await expect(other.page.get_by_role("heading", name="Log in", exact=True)).to_be_visible()
    await expect(ada.page.get_by_role("heading", name="Security", exact=True)).to_be_visible()


async def test_the_operators_link_sets_a_new_password(visit: Visit, stack: Installation) -> None:
    ada = await visit()
    made = stack.command("user", "reset-link", ada.email, PORT=str(stack.port))
    assert made.returncode == 0, made.stderr
    assert stack.command("user", "reset-link", "nobody@example.com").returncode == 1
    elsewhere = await visit(sign_up=False)
    await elsewhere.page.goto(made.stdout.strip())
    await elsewhere.page.get_by_label("New password").fill("password123")
    await elsewhere.page.get_by_role("button", name="Set the password").click()
    await expect(elsewhere.page.locator("#password-note")).to_contain_text("tried first")
    assert "#" not in elsewhere.page.url
    await elsewhere.page.get_by_label("New password").fill("a new and better one")
    await elsewhere.page.get_by_role("button", name="Set the password").click()
    await expect(elsewhere.page.get_by_role("status")).to_contain_text("Your password is set")
    await expect(ada.page.locator("body")).to_be_visible()
    await ada.go("/runs")
    await expect(ada.page.get_by_role("heading", name="Log in", exact=True)).to_be_visible()


async def test_an_organization_that_demands_a_second_factor_leads_to_its_set_up(visit: Visit) -> None:
    ada = await visit()
    await ada.go("/settings/organization")
    await ada.page.get_by_label("Members must have a second factor").check()
    await ada.page.get_by_role("button", name="Save").click()
    await expect(ada.page.get_by_text("Saved")).to_be_visible()
    await ada.go("/agents")
    await expect(ada.page.get_by_text("Your organization demands a second factor.")).to_be_visible()
