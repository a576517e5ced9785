from collections.abc import AsyncIterator

import pytest

from engine.llm.router import ModelRouter, ProviderConfig
from tests.model_server import ModelServer
from tests.model_server.fixtures import model_server, server

__all__ = ["model_server", "server"]


@pytest.fixture
async def models(server: ModelServer) -> AsyncIterator[ModelRouter]:
    """OpenAI and Anthropic, both served from here."""
    router = ModelRouter(
        {
            "openai": ProviderConfig("key", server.openai_url),
            "anthropic": ProviderConfig("key", server.anthropic_url),
        }
    )
    yield router
    await router.aclose()
