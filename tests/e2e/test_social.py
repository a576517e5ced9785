"""Google's and GitHub's buttons as people press them, and a life without a password."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.conftest import PASSWORD, window
from tests.support.github import CLIENT_ID, CLIENT_SECRET, GitHub, github
from tests.support.processes import Installation, free_port


@pytest.fixture(scope="module")
def installed() -> Iterator[tuple[Installation, GitHub]]:
    """An installation whose operator has set a client at GitHub up."""
    with (
        tempfile.TemporaryDirectory(prefix="agentflow-social-", ignore_cleanup_errors=True) as folder,
        github() as hub,
    ):
        installation = Installation(Path(folder) / "data", free_port())
        installation.share_builds()
        try:
            installation.start(
                AGENTFLOW_ALLOWED_PRIVATE_HOSTS=hub.host,
                AGENTFLOW_GITHUB_URL=f"http://{hub.host}",
                AGENTFLOW_GITHUB_CLIENT_ID=CLIENT_ID,
                AGENTFLOW_GITHUB_CLIENT_SECRET=CLIENT_SECRET,
            )
            yield installation, hub
        finally:
            installation.stop()


@pytest.fixture
async def octo(installed: tuple[Installation, GitHub], browser: Browser) -> AsyncIterator[tuple[Page, str]]:
    """A browser of somebody whom GitHub knows by that name."""
    _, hub = installed
    login = f"octo{uuid4().hex[:12]}"
    emails = [{"email": f"{login}@example.com", "primary": True, "verified": True}]
    hub.people[login] = ({"id": uuid4().int >> 80, "login": login, "name": "Octo Cat"}, emails)
    context = await window(browser)
    yield await context.new_page(), login
    await context.close()


async def _authorize(page: Page, login: str) -> None:
    await page.get_by_label("Username").fill(login)
    await page.get_by_role("button", name="Authorize").click()


async def test_in_by_github_and_secured_without_a_password(
    installed: tuple[Installation, GitHub], octo: tuple[Page, str]
) -> None:
    home = f"http://localhost:{installed[0].port}"
    page, login = octo
    await page.goto(f"{home}/signup")
    await expect(page.get_by_role("link", name="Continue with Google")).to_have_count(0)
    await page.get_by_role("link", name="Continue with GitHub").click()
    await _authorize(page, login)
    await expect(page.get_by_role("heading", name="Home", exact=True)).to_be_visible()

    await page.goto(f"{home}/settings/security")
    await expect(page.get_by_text("You have none: you sign in another way.")).to_be_visible()
    await page.get_by_role("button", name="Unlink").click()
    await expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    await page.get_by_role("link", name="Sign in at GitHub again").click()
    await _authorize(page, login)
    unlink = page.get_by_role("dialog")
    await expect(unlink.get_by_text("Unlink GitHub?")).to_be_visible()
    await unlink.get_by_role("button", name="Unlink").click()
    await expect(unlink.get_by_role("alert")).to_contain_text("only way in")
    await unlink.get_by_role("button", name="Cancel").click()

    await page.get_by_role("button", name="Set a password").click()
    await page.get_by_label("New password").fill(PASSWORD)
    await page.get_by_role("button", name="Set the password").click()
    await expect(page.get_by_text("Changing it ends your other sessions.")).to_be_visible()
    await page.get_by_role("button", name="Unlink").click()
    await page.get_by_role("dialog").get_by_role("button", name="Unlink").click()
    await expect(page.get_by_text("GitHub is unlinked")).to_be_visible()

    await page.context.clear_cookies()
    await page.goto(f"{home}/login")
    await page.get_by_label("Email").fill(f"{login}@example.com")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in", exact=True).click()
    await expect(page.get_by_role("heading", name="Home", exact=True)).to_be_visible()


async def test_a_proof_as_somebody_else_is_told_in_the_dialog(
    installed: tuple[Installation, GitHub], octo: tuple[Page, str]
) -> None:
    home, hub = f"http://localhost:{installed[0].port}", installed[1]
    page, login = octo
    other = f"other{uuid4().hex[:12]}"
    hub.people[other] = ({"id": uuid4().int >> 80, "login": other, "name": "Other"}, [])
    await page.goto(f"{home}/login")
    await page.get_by_role("link", name="Continue with GitHub").click()
    await _authorize(page, login)
    await expect(page.get_by_role("heading", name="Home", exact=True)).to_be_visible()
    await page.goto(f"{home}/settings/profile")
    await page.get_by_role("button", name="Delete…").click()
    await page.get_by_role("link", name="Sign in at GitHub again").click()
    await _authorize(page, other)
    await expect(page.get_by_role("alert")).to_contain_text("as somebody else")
    await page.get_by_role("link", name="Sign in at GitHub again").click()
    await _authorize(page, login)
    await expect(page.get_by_role("heading", name="Delete your account?")).to_be_visible()
