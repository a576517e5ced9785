from playwright.async_api import expect

from tests.e2e.conftest import PASSWORD, Visit


async def test_a_newcomer_signs_up_and_finds_the_sample_that_has_run(visit: Visit) -> None:
    ada = await visit(sign_up=False)
    await ada.go("/")
    await expect(ada.page).to_have_url(f"{ada.url}/signup/")
    await ada.page.get_by_label("Your name").fill("Ada Lovelace")
    await ada.page.get_by_label("Work email").fill(ada.email)
    await ada.page.get_by_label("Password").fill(PASSWORD)
    await ada.page.get_by_label("Organization").fill("Analytical Engines")
    await ada.page.get_by_role("button", name="Sign up").click()
    await expect(ada.page.get_by_role("heading", name="Your first agent has already run")).to_be_visible()
    runs = ada.page.get_by_role("table", name="Last runs")
    await expect(runs.locator("[data-status=completed]")).to_have_count(1)
    await expect(ada.page.get_by_text("Analytical Engines").first).to_be_visible()


async def test_errors_stand_beside_their_fields(visit: Visit) -> None:
    ada = await visit(sign_up=False)
    await ada.go("/signup/")
    await ada.page.get_by_label("Your name").fill("Ada")
    await ada.page.get_by_label("Work email").fill("not an address")
    await ada.page.get_by_label("Password").fill("short")
    await ada.page.get_by_role("button", name="Sign up").click()
    await expect(ada.page.locator("#email-note")).to_have_text("Enter an e-mail address.")
    await expect(ada.page.locator("#password-note")).to_have_text("Use at least 8 characters.")
    await expect(ada.page.locator("#org_name-note")).to_have_text("Fill this in.")
    await expect(ada.page.locator("#name-note")).to_have_text("")
    await expect(ada.page.get_by_label("Work email")).to_be_focused()


async def test_a_taken_address_is_said_beside_it(visit: Visit) -> None:
    first = await visit()
    second = await visit(sign_up=False)
    await second.go("/signup/")
    await second.page.get_by_label("Your name").fill("Eve")
    await second.page.get_by_label("Work email").fill(first.email)
    await second.page.get_by_label("Password").fill(PASSWORD)
    await second.page.get_by_label("Organization").fill("Elsewhere")
    await second.page.get_by_role("button", name="Sign up").click()
    await expect(second.page.get_by_role("alert")).to_be_visible()
    await expect(second.page).to_have_url(f"{second.url}/signup/")


async def test_a_wrong_password_is_refused_and_the_right_one_leads_to_where_one_was_going(
    visit: Visit,
) -> None:
    ada = await visit()
    elsewhere = await visit(sign_up=False)
    await elsewhere.go("/runs")
    await expect(elsewhere.page.get_by_role("heading", name="Log in", exact=True)).to_be_visible()
    await elsewhere.page.get_by_label("Email").fill(ada.email)
    await elsewhere.page.get_by_label("Password").fill("a wrong password")
    await elsewhere.page.get_by_role("button", name="Log in", exact=True).click()
    await expect(elsewhere.page.get_by_role("alert")).to_be_visible()
    await elsewhere.page.get_by_label("Password").fill(PASSWORD)
    await elsewhere.page.get_by_role("button", name="Log in", exact=True).click()
    await expect(elsewhere.page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()


async def test_logging_out_ends_the_session_in_every_tab(visit: Visit) -> None:
    ada = await visit()
    await ada.go("/")
    other_tab = await ada.context.new_page()
    await other_tab.goto(f"{ada.url}/runs")
    await expect(other_tab.get_by_role("table", name="Runs")).to_be_visible()
    await ada.page.get_by_role("button", name="Your account").last.click()
    await ada.page.get_by_role("menuitem", name="Log out").click()
    await expect(ada.page.get_by_role("heading", name="Log in", exact=True)).to_be_visible()
    await other_tab.get_by_role("link", name="Agents").first.click()
    await expect(other_tab.get_by_role("heading", name="Log in", exact=True)).to_be_visible()


async def test_only_paths_of_our_own_are_gone_to_after_login(visit: Visit) -> None:
    ada = await visit()
    window = await visit(sign_up=False)
    await window.go("/login/?next=https://example.com/")
    await window.page.get_by_label("Email").fill(ada.email)
    await window.page.get_by_label("Password").fill(PASSWORD)
    await window.page.get_by_role("button", name="Log in", exact=True).click()
    await expect(window.page.get_by_role("heading", name="Home", exact=True)).to_be_visible()
    assert window.page.url.startswith(window.url)


async def test_a_page_whose_code_has_not_come_yet_keeps_the_password_to_itself(visit: Visit) -> None:
    ada = await visit(sign_up=False, java_script_enabled=False)
    await ada.go("/login/")
    await ada.page.get_by_label("Email").fill(ada.email)
    await ada.page.get_by_label("Password").fill(PASSWORD)
    await ada.page.keyboard.press("Enter")
    await expect(ada.page.get_by_role("button", name="Log in", exact=True)).to_be_disabled()
    await expect(ada.page).to_have_url(f"{ada.url}/login/")
