from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from agentflow_app.core.settings import settings as current_settings
from agentflow_app.sso import clients
from agentflow_app.sso.service import redirect_uri
from tests.support.github import CLIENT_ID, CLIENT_SECRET, GitHub, github
from tests.support.identity_provider import CLIENT_ID as GOOGLE_ID
from tests.support.identity_provider import CLIENT_SECRET as GOOGLE_SECRET
from tests.support.identity_provider import IdentityProvider, identity_provider
from tests.support.window import Window


@pytest.fixture(scope="module")
def idp(settings: object) -> Iterator[IdentityProvider]:
    with identity_provider(redirect_uri()) as started:
        yield started


@pytest.fixture(scope="module")
def hub() -> Iterator[GitHub]:
    with github() as started:
        yield started


@pytest.fixture
def public(hub: GitHub, idp: IdentityProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everyone may sign in with GitHub and Google."""
    for name, value in {
        "rate_limit_auth": "off",
        "allowed_private_hosts": [hub.host, idp.host],
        "github_url": f"http://{hub.host}",
        "github_client_id": CLIENT_ID,
        "github_client_secret": SecretStr(CLIENT_SECRET),
        "google_client_id": GOOGLE_ID,
        "google_client_secret": SecretStr(GOOGLE_SECRET),
    }.items():
        monkeypatch.setattr(current_settings(), name, value)
    monkeypatch.setattr(clients, "GOOGLE", idp.issuer)


@pytest.fixture
async def open_window(api: FastAPI) -> AsyncIterator[Any]:
    opened: list[Window] = []

    def opening(home: str = "http://localhost") -> Window:
        opened.append(Window(api, home))
        return opened[-1]

    yield opening
    for each in opened:
        await each.close()
