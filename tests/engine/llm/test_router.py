import asyncio
import subprocess
import sys

import pytest

from engine.errors import EgressRefusedError, MissingKeyError, UnknownModelError
from engine.llm.question import Question
from engine.llm.request import ask
from engine.llm.router import ModelRouter, ProviderConfig
from engine.testing import LocalEgress
from tests.engine.llm.conftest import KEY
from tests.engine.llm.test_request import Make
from tests.model_server import ModelServer

LOCAL = "http://127.0.0.1:9/v1"


@pytest.mark.parametrize(
    ("providers", "provider", "model"),
    [
        ({}, "demo", "demo"),
        ({"openai": ProviderConfig(None)}, "demo", "demo"),
        ({"openai": ProviderConfig("key")}, "openai", "gpt-5.4-mini"),
        (
            {"openai": ProviderConfig("key"), "anthropic": ProviderConfig("key")},
            "anthropic",
            "claude-sonnet-5-5",
        ),
        # Without a key nobody knows which models a server of one's own has.
        ({"openai": ProviderConfig(None, LOCAL)}, "demo", "demo"),
    ],
)
async def test_default_is_the_first_provider_with_a_key(
    providers: dict[str, ProviderConfig], provider: str, model: str
) -> None:
    router = ModelRouter(providers)
    found = router.resolve("default")
    assert (found.provider, found.name, found.demo) == (provider, model, provider == "demo")
    assert found.model.model_name == model
    await router.aclose()


@pytest.mark.parametrize(
    ("name", "setting"), [("gpt-6-luna", "OPENAI_API_KEY"), ("claude-sonnet-5-5", "ANTHROPIC_API_KEY")]
)
def test_a_missing_key_says_what_to_set_and_what_works_without(name: str, setting: str) -> None:
    with pytest.raises(MissingKeyError) as caught:
        ModelRouter().resolve(name)
    assert setting in caught.value.message
    assert "demo" in caught.value.message
    assert not caught.value.retryable


@pytest.mark.parametrize("name", ["no-such-model", "", " ", "openai:", "google:gemini"])
def test_an_unknown_name_is_refused(name: str) -> None:
    router = ModelRouter({"openai": ProviderConfig("key")})
    assert not router.known(name)
    with pytest.raises(UnknownModelError):
        router.resolve(name)


async def test_a_server_of_ones_own_may_have_models_of_any_name_and_needs_no_key() -> None:
    router = ModelRouter({"openai": ProviderConfig(None, LOCAL)})
    assert router.known("llama3:8b")
    found = router.resolve("llama3:8b")
    assert (found.provider, found.name) == ("openai", "llama3:8b")
    await router.aclose()


async def test_openai_itself_is_asked_by_its_newer_api_and_others_by_the_one_that_all_speak() -> None:
    own = ModelRouter({"openai": ProviderConfig("key")})
    other = ModelRouter({"openai": ProviderConfig("key", LOCAL)})
    assert type(own.resolve("gpt-6-luna").model).__name__ == "OpenAIResponsesModel"
    assert type(other.resolve("gpt-6-luna").model).__name__ == "OpenAIChatModel"
    await own.aclose()
    await other.aclose()


async def test_clients_are_made_once_and_may_be_resolved_in_threads() -> None:
    router = ModelRouter({"openai": ProviderConfig("key"), "anthropic": ProviderConfig("key")})
    names = ["gpt-6-luna", "gpt-6-sol", "claude-sonnet-5-5"] * 5
    found = await asyncio.gather(*(asyncio.to_thread(router.resolve, name) for name in names))
    assert len({id(each.model) for each in found}) == 3
    openai = [each.model.client for each in found if each.provider == "openai"]  # type: ignore[attr-defined]
    assert len({id(client._client) for client in openai}) == 1
    assert {client.max_retries for client in openai} == {0}
    await router.aclose()


async def test_a_closed_router_makes_new_clients(server: ModelServer, asking: Make) -> None:
    router = ModelRouter({"openai": ProviderConfig(KEY, server.openai_url)})
    for _ in range(2):
        assert (await ask(Question(["gpt-6-luna"], "hi"), asking(router).context)).text
        await router.aclose()


class _Everywhere(LocalEgress):
    """An egress for which each host is one that may not be reached."""

    def __init__(self) -> None:
        super().__init__()
        self.policy = type(self.policy)([], resolve=_loopback)


async def _loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


@pytest.mark.parametrize("name", ["gpt-6-luna", "claude-sonnet-5-5"])
async def test_providers_are_reached_through_the_egress_policy(asking: Make, name: str) -> None:
    egress = _Everywhere()
    keys = {"openai": ProviderConfig(KEY), "anthropic": ProviderConfig(KEY)}
    router = ModelRouter(keys, egress)
    with pytest.raises(EgressRefusedError):
        await ask(Question([name], "hi"), asking(router).context)
    await router.aclose()
    await egress.aclose()


async def test_the_operators_own_base_url_is_exempt(server: ModelServer, asking: Make) -> None:
    egress = _Everywhere()
    router = ModelRouter({"openai": ProviderConfig(KEY, server.openai_url)}, egress)
    assert (await ask(Question(["gpt-6-luna"], "hi"), asking(router).context)).text == "You said: hi"
    await router.aclose()
    await egress.aclose()


def test_a_key_is_not_in_what_a_config_shows_of_itself() -> None:
    assert KEY not in repr(ProviderConfig(KEY, LOCAL))


@pytest.mark.parametrize(
    "module", ["engine", "engine.nodes.registry", "engine.llm.catalog", "engine.llm.router"]
)
def test_the_sdks_are_not_loaded_before_they_are_needed(module: str) -> None:
    heavy = {"pydantic_ai", "openai", "anthropic", "httpx2", "genai_prices"}
    script = f"import sys, {module}; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert heavy.isdisjoint(shown.stdout.split())
