"""Single sign-on as people meet it: a real provider, a real browser, and what a thief can do with a link."""

import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from urllib.parse import urljoin
from uuid import uuid4

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Route, expect

from tests.e2e.conftest import PASSWORD, window
from tests.support.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider, identity_provider
from tests.support.processes import Installation, free_port
from tests.support.saml_provider import SamlProvider, asked, form


def owner_login(owner: dict[str, str]) -> dict[str, str]:
    return {name: owner[name] for name in ("email", "password")}


@pytest.fixture(scope="module")
def installed() -> Iterator[tuple[Installation, IdentityProvider]]:
    """An installation that may talk to a provider on this machine."""
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="agentflow-sso-", ignore_cleanup_errors=True) as folder,
        identity_provider(f"http://localhost:{port}/api/v1/auth/sso/callback") as idp,
    ):
        installation = Installation(Path(folder) / "data", port)
        installation.share_builds()
        try:
            installation.start(AGENTFLOW_ALLOWED_PRIVATE_HOSTS=idp.host)
            yield installation, idp
        finally:
            installation.stop()


async def _sign_in_there(page: Page, subject: str) -> None:
    await page.locator("input[name=login]").fill(subject)
    await page.locator("input[name=password]").fill("any")
    await page.locator("button[type=submit]").click()


async def _consent(page: Page, callback: str) -> str:
    """The link back to the app that the provider gives this browser, before anybody has followed it."""
    await page.get_by_role("button", name="Continue").wait_for()
    target = urljoin(page.url, await page.locator("form").first.get_attribute("action") or "")
    request = page.context.request
    answer = await request.post(target, form={"prompt": "consent"}, max_redirects=0)
    while not (target := urljoin(target, answer.headers["location"])).startswith(callback):
        answer = await request.get(target, max_redirects=0)
    return target


async def test_an_admin_connects_a_provider_and_its_people_come_in_where_they_were_going(
    installed: tuple[Installation, IdentityProvider], browser: Browser
) -> None:
    installation, idp = installed
    home, domain = f"http://localhost:{installation.port}", f"{uuid4().hex[:12]}.example.com"
    idp.knows(dora={"email": f"dora@{domain}", "email_verified": True, "name": "Dora"})
    windows: list[BrowserContext] = []

    async def page() -> Page:
        windows.append(await window(browser))
        return await windows[-1].new_page()

    admin = await page()
    owner = {"email": f"{uuid4().hex[:12]}@example.com", "password": PASSWORD, "name": "Ada", "org_name": "E"}
    made = await admin.context.request.post(f"{home}/api/v1/auth/signup?session=page", data=owner)
    assert made.status == 201
    await admin.goto(f"{home}/settings/sso")
    await admin.get_by_role("button", name="New connection").click()
    for label, value in (
        ("Name", "Provider"),
        ("Issuer", idp.issuer),
        ("Client ID", CLIENT_ID),
        ("Client secret", CLIENT_SECRET),
        ("Domains", domain),
    ):
        await admin.get_by_label(label, exact=True).fill(value)
    await admin.get_by_role("button", name="Save").click()
    connection = admin.locator("[data-connection=Provider]")
    await expect(connection.get_by_text("Not verified")).to_be_visible()
    assert installation.command("sso", "verify-domain", domain).returncode == 0
    await connection.get_by_role("button", name="Test").click()
    await expect(admin.get_by_text("The provider answers as it should")).to_be_visible()
    await admin.reload()
    await expect(connection.get_by_text("Verified", exact=True)).to_be_visible()

    dora = await page()
    await dora.goto(f"http://127.0.0.1:{installation.port}/runs")
    await dora.get_by_role("link", name="Continue with SSO").click()
    await dora.get_by_label("Work email").fill(f"dora@{domain}")
    await dora.get_by_role("button", name="Continue").click()
    await _sign_in_there(dora, "dora")
    stolen = await _consent(dora, f"{home}/api/v1/auth/sso/callback")
    thief = await page()
    await thief.goto(stolen)
    await expect(thief.get_by_role("alert")).to_contain_text("begun elsewhere")
    await dora.goto(stolen)
    await expect(dora.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    answer = await dora.context.request.get(stolen, max_redirects=0)
    assert "SSO_EXPIRED" in answer.headers["location"]

    # From now on the organization demands it: the login page offers nothing else to the domain.
    path = f"{home}/api/v1/org/sso"
    entered = await admin.context.request.post(f"{home}/api/v1/auth/login", data=owner_login(owner))
    bearer = {"Authorization": f"Bearer {(await entered.json())['access_token']}"}
    (held,) = (await (await admin.context.request.get(path, headers=bearer)).json())["data"]
    fields = ("name", "issuer", "client_id", "default_role", "trust_email", "active")
    wanted = {name: held[name] for name in fields} | {"domains": [domain], "enforced": True}
    changed = await admin.context.request.put(f"{path}/{held['id']}", headers=bearer, data=wanted)
    assert changed.ok, await changed.text()
    late = await page()
    await late.goto(f"{home}/login?next=/runs")
    await late.get_by_label("Email").fill(f"dora@{domain}")
    await late.get_by_label("Email").press("Enter")
    await expect(late.get_by_role("button", name="Continue with Provider")).to_be_visible()
    await expect(late.get_by_label("Password")).to_have_count(0)
    await late.get_by_role("button", name="Use a password").click()
    await expect(late.get_by_label("Password")).to_be_visible()
    await late.get_by_label("Email").fill("somebody@example.com")
    await late.get_by_label("Password").focus()
    await expect(late.get_by_role("button", name="Continue with Provider")).to_have_count(0)
    await late.get_by_label("Email").fill(f"dora@{domain}")
    await late.get_by_label("Password").focus()
    await late.get_by_role("button", name="Continue with Provider").click()
    await _sign_in_there(late, "dora")
    await late.get_by_role("button", name="Continue").click()
    await expect(late.get_by_role("heading", name="Runs", exact=True)).to_be_visible()

    # Who came so, without a password, proves it there again before the app is set up.
    await late.goto(f"{home}/settings/security")
    await late.get_by_role("button", name="Set up").click()
    await late.get_by_role("link", name="Sign in at Provider again").click()
    await _sign_in_there(late, "dora")
    await expect(late.get_by_alt_text("QR code for the authenticator app")).to_be_visible()
    for each in windows:
        await each.close()


async def test_an_admin_connects_a_saml_provider_whose_page_posts_people_in(
    installed: tuple[Installation, IdentityProvider], browser: Browser
) -> None:
    installation, _ = installed
    home, domain, idp = (
        f"http://localhost:{installation.port}",
        f"{uuid4().hex[:12]}.example.com",
        SamlProvider(),
    )
    admins = await window(browser)
    admin = await admins.new_page()
    owner = {"email": f"{uuid4().hex[:12]}@example.com", "password": PASSWORD, "name": "Ada", "org_name": "S"}
    made = await admins.request.post(f"{home}/api/v1/auth/signup?session=page", data=owner)
    assert made.status == 201
    await admin.goto(f"{home}/settings/sso")
    await admin.get_by_role("button", name="New connection").click()
    await admin.get_by_label("Name", exact=True).fill("Provider")
    await admin.get_by_label("Protocol").select_option("saml")
    await admin.get_by_label("Domains", exact=True).fill(domain)
    await admin.get_by_role("button", name="Save").click()
    connection = admin.locator("[data-connection=Provider]")
    acs = await connection.get_by_label("ACS of Provider").input_value()
    assert acs.startswith(f"{home}/api/v1/auth/sso/saml/")
    await connection.get_by_role("button", name="More about Provider").click()
    await admin.get_by_role("menuitem", name="Edit…").click()
    await admin.get_by_label("Metadata of the provider").fill(idp.metadata())
    await admin.get_by_role("button", name="Save").click()
    await expect(connection.get_by_text(idp.entity_id)).to_be_visible()
    await connection.get_by_role("button", name="Test").click()
    await expect(admin.get_by_text("The provider answers as it should")).to_be_visible()
    assert installation.command("sso", "verify-domain", domain).returncode == 0
    await admins.close()

    people = await window(browser)
    dora = await people.new_page()

    async def provider(route: Route) -> None:
        to = asked(route.request.url)
        fields = form(idp.response(to, "dora-1", {"email": [f"dora@{domain}"]}), to.state)
        inputs = "".join(f'<input name="{name}" value="{escape(value)}">' for name, value in fields.items())
        page = f'<form method="post" action="{to.acs}">{inputs}<button>Log in</button></form>'
        await route.fulfill(content_type="text/html", body=page)

    await people.route("https://idp.example.com/**", provider)
    await dora.goto(f"{home}/runs")
    await dora.get_by_role("link", name="Continue with SSO").click()
    await dora.get_by_label("Work email").fill(f"dora@{domain}")
    await dora.get_by_role("button", name="Continue").click()
    await dora.get_by_role("button", name="Log in").click()
    await expect(dora.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    await people.close()
