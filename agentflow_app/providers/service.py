"""Which models an execution may call, and its one way out to the network."""

from functools import lru_cache

from pydantic import SecretStr

from agentflow_app.core.settings import settings
from engine.egress import GuardedEgress
from engine.llm.catalog import ModelInfo, known, listed
from engine.llm.router import ModelRouter, ProviderConfig


def _operator_providers() -> dict[str, ProviderConfig]:
    """The operator's own keys; tenants get them only where the operator shares them."""
    config = settings()
    if not config.operator_keys_shared:
        return {}

    def plain(key: SecretStr | None) -> str | None:
        return key.get_secret_value() if key else None

    return {
        "openai": ProviderConfig(plain(config.openai_api_key), config.openai_base_url),
        "anthropic": ProviderConfig(plain(config.anthropic_api_key), config.anthropic_base_url),
    }


@lru_cache(maxsize=1)
def egress() -> GuardedEgress:
    return GuardedEgress(allowed_hosts=settings().allowed_private_hosts)


@lru_cache(maxsize=1)
def models() -> ModelRouter:
    return ModelRouter(_operator_providers(), egress())


async def close_models() -> None:
    if models.cache_info().currsize:
        await models().aclose()
        models.cache_clear()
    if egress.cache_info().currsize:
        await egress().aclose()
        egress.cache_clear()


def model_is_known(name: str) -> bool:
    """Whether a definition may name this model; a missing key shows when it runs."""
    return known(name) or bool(settings().openai_base_url)


def models_listed() -> list[ModelInfo]:
    """For the model picker."""
    return listed()
