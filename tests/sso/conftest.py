from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from agentflow_app.sso.service import redirect_uri
from tests.support.identity_provider import IdentityProvider, identity_provider
from tests.support.window import Window


@pytest.fixture(scope="module")
def idp(settings: object) -> Iterator[IdentityProvider]:
    with identity_provider(redirect_uri()) as started:
        yield started


@pytest.fixture
async def open_window(api: FastAPI) -> AsyncIterator[Any]:
    opened: list[Window] = []

    def opening(home: str = "http://localhost") -> Window:
        opened.append(Window(api, home))
        return opened[-1]

    yield opening
    for each in opened:
        await each.close()
