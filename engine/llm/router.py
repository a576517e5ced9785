"""Finds the model for a name, and keeps one client for each provider."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from engine.errors import MissingKeyError, UnknownModelError
from engine.llm import catalog, demo
from engine.ports import ResolvedModel

if TYPE_CHECKING:
    import httpx2
    from pydantic_ai.models import Model

    from engine.egress import GuardedEgress

CONNECT_TIMEOUT = 10.0
SILENCE_TIMEOUT = 120.0
"""Seconds without a byte from a provider before it counts as gone. The step's timeout bounds the whole."""
OPENAI_HOST = "api.openai.com"
NO_KEY = "no-key"
"""What servers that ask for no key get as one; the SDK insists on sending some."""


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """How one provider is reached. A `base_url` is the operator's choice, so no egress rule applies to it.

    `api`: which of OpenAI's two wire formats; without it `responses` for OpenAI itself and `chat`, which
    everybody speaks, for any other base URL.
    """

    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    api: Literal["chat", "responses"] | None = None

    @property
    def usable(self) -> bool:
        """Servers of one's own often ask for no key."""
        return bool(self.api_key or self.base_url)


class ModelRouter:
    """The `Models` port. `resolve` may be called in any thread, the models only in one event loop."""

    def __init__(
        self,
        providers: Mapping[str, ProviderConfig] | None = None,
        egress: "GuardedEgress | None" = None,
        *,
        silence_timeout: float = SILENCE_TIMEOUT,
    ) -> None:
        self._providers = dict(providers or {})
        self._egress = egress
        self._silence_timeout = silence_timeout
        self._clients: dict[str, httpx2.AsyncClient] = {}
        self._models: dict[tuple[str, str], Model] = {}
        self._making = threading.Lock()

    def known(self, name: str) -> bool:
        return catalog.known(name) or self._compatible

    def resolve(self, name: str) -> ResolvedModel:
        provider, model = self._provider_and_model(name)
        if provider == demo.NAME:
            return ResolvedModel(self._model(provider, demo.NAME), demo.NAME, provider, demo=True)
        config = self._providers.get(provider, ProviderConfig())
        if not config.usable:
            raise MissingKeyError(
                f"{model} needs a key of {catalog.LABELS[provider]}: set {catalog.KEY_NAMES[provider]}, "
                f"or choose the model `{demo.NAME}`, which works without one",
                details={"provider": provider, "model": model, "setting": catalog.KEY_NAMES[provider]},
            )
        return ResolvedModel(self._model(provider, model), model, provider)

    async def aclose(self) -> None:
        """Closes all connections; a router that is used again makes new ones."""
        self._models.clear()
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()

    @property
    def _compatible(self) -> bool:
        """Whether a server that speaks like OpenAI is set up; it may have models of any name."""
        return bool(self._providers.get("openai", ProviderConfig()).base_url)

    def _provider_and_model(self, name: str) -> tuple[str, str]:
        if name.strip() == catalog.DEFAULT:
            for provider in catalog.PROVIDERS:
                if self._providers.get(provider, ProviderConfig()).api_key:
                    return provider, catalog.DEFAULT_MODELS[provider]
            return demo.NAME, demo.NAME
        found = catalog.provider_of(name) or ("openai" if self._compatible and name.strip() else None)
        if found is None:
            raise UnknownModelError(
                f"No provider here has a model {name!r}; write `provider:name`, with one of "
                f"{', '.join(catalog.PROVIDERS)} as the provider",
                details={"model": name},
            )
        return found, catalog.split(name)[1]

    def _model(self, provider: str, model: str) -> "Model":
        with self._making:
            made = self._models.get((provider, model))
            if made is None:
                made = self._models[provider, model] = self._made(provider, model)
            return made

    def _made(self, provider: str, model: str) -> "Model":
        if provider == demo.NAME:
            from engine.llm.demo.model import DemoModel

            return DemoModel()
        if provider == "anthropic":
            return self._anthropic(model)
        return self._openai(model)

    def _anthropic(self, model: str) -> "Model":
        from anthropic import AsyncAnthropic
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        config = self._providers["anthropic"]
        client = AsyncAnthropic(
            api_key=config.api_key or NO_KEY,
            base_url=config.base_url or "https://api.anthropic.com",
            max_retries=0,
            http_client=self._client("anthropic"),
        )
        return AnthropicModel(model, provider=AnthropicProvider(anthropic_client=client))

    def _openai(self, model: str) -> "Model":
        from openai import AsyncOpenAI
        from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
        from pydantic_ai.profiles.openai import OpenAIModelProfile
        from pydantic_ai.providers.openai import OpenAIProvider

        config = self._providers["openai"]
        base_url = config.base_url or f"https://{OPENAI_HOST}/v1"
        client = AsyncOpenAI(
            api_key=config.api_key or NO_KEY,
            base_url=base_url,
            max_retries=0,
            http_client=self._client("openai"),
        )
        provider = OpenAIProvider(openai_client=client)
        own = urlsplit(base_url).hostname == OPENAI_HOST
        if config.api == "responses" or (config.api is None and own):
            return OpenAIResponsesModel(model, provider=provider)
        return OpenAIChatModel(
            model,
            provider=provider,
            profile=OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True),
        )

    def _client(self, provider: str) -> "httpx2.AsyncClient":
        import httpx2

        from engine.egress.transport import shared

        client = self._clients.get(provider)
        if client is None:
            timeout = httpx2.Timeout(self._silence_timeout, connect=CONNECT_TIMEOUT)
            guarded: dict[str, Any] = {}
            if self._egress is not None and not self._providers[provider].base_url:
                guarded["transport"] = shared(httpx2, self._egress.transport2())
            client = self._clients[provider] = httpx2.AsyncClient(timeout=timeout, trust_env=False, **guarded)
        return client
