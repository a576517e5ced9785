"""People in a real browser, against a whole installation."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.support.processes import Installation

PATIENCE = 60_000
"""Milliseconds after which a page counts as hung, on the slowest machine."""
expect.set_options(timeout=PATIENCE)

PASSWORD = "correct horse battery"
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


@dataclass
class Visitor:
    """Someone with a browser window, logged in unless they are not."""

    url: str
    email: str
    context: BrowserContext
    page: Page

    async def go(self, path: str) -> None:
        await self.page.goto(self.url + path)

    async def api(self, method: str, path: str, token: str, **body: Any) -> Any:
        """A REST call as this person, for what a test only needs to be there."""
        answer = await self.context.request.fetch(
            f"{self.url}/api/v1{path}",
            method=method,
            headers={"Authorization": f"Bearer {token}"},
            data=body or None,
        )
        assert answer.ok, await answer.text()
        return await answer.json()


Visit = Callable[..., Awaitable[Visitor]]


async def window(browser: Browser, **options: Any) -> BrowserContext:
    """A browser of one's own: nothing in it is known to the other windows."""
    context = await browser.new_context(**{"viewport": DESKTOP, **options})
    context.set_default_timeout(PATIENCE)
    return context


@pytest.fixture
async def visit(stack: Installation, browser: Browser) -> AsyncIterator[Visit]:
    """Opens windows; at the end none of their pages may have thrown."""
    contexts: list[BrowserContext] = []
    thrown: list[str] = []

    async def open_window(
        *, sign_up: bool = True, like: Visitor | None = None, size: dict[str, int] = DESKTOP, **options: Any
    ) -> Visitor:
        state = await like.context.storage_state() if like else None
        context = await window(browser, viewport=size, storage_state=state, **options)
        contexts.append(context)
        page = await context.new_page()
        page.on("pageerror", lambda error: thrown.append(str(error)))
        email = like.email if like else f"{uuid4().hex[:12]}@example.com"
        if sign_up and like is None:
            answer = await context.request.post(
                f"{stack.url}/api/v1/auth/signup?session=page",
                data={"email": email, "password": PASSWORD, "name": "Ada Lovelace", "org_name": "Engines"},
            )
            assert answer.status == 201, await answer.text()
            await context.add_init_script("localStorage.setItem('agentflow.known', '1')")
        return Visitor(stack.url, email, context, page)

    yield open_window
    for context in contexts:
        await context.close()
    assert thrown == []
