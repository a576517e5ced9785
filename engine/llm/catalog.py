"""Which models there are, whose they are and what they cost. Light: the price list loads when it is read."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from engine.llm import demo
from engine.ports import Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo as PricedModel

DEFAULT = "default"
"""The name that stands for the best model that is set up."""
PROVIDERS = ("anthropic", "openai", demo.NAME)
"""In the order in which `default` looks for a key."""
LABELS = {"anthropic": "Anthropic", "openai": "OpenAI", demo.NAME: "Demo"}
KEY_NAMES = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY"}
DEFAULT_MODELS = {"anthropic": "claude-sonnet-5-5", "openai": "gpt-5.4-mini", demo.NAME: demo.NAME}

_FAMILIES = (
    ("anthropic", re.compile(r"claude-")),
    ("openai", re.compile(r"(?:gpt-|chatgpt-|o\d(?:-|$)|codex-|ft:gpt-)")),
)
# What the price list holds beside the models that answer with text, and those that their makers have retired.
_NOT_FOR_CHAT = re.compile(
    r"embedding|whisper|tts|transcribe|audio|realtime|image|moderation|live|search|davinci|curie|babbage|ada$|ft[:-]"
    r"|instruct|computer-use|deep-research|cyber|rosalind|oss-|:extended|preview|gpt-3\.5|gpt-4-|gpt-4$|\d{4}-\d{2}-\d{2}"
    r"|claude-(?:2|3|v1)|o1-"
)
# What the providers have announced; the model is refused from this day on.
_RETIREMENTS = {
    name: date.fromisoformat(day)
    for day, names in {
        "2026-01-05": "chatgpt-4o-latest codex-mini",
        "2026-06-15": "claude-opus-4-0 claude-sonnet-4-0",
        "2026-10-23": "gpt-4.1-nano o4-mini o3-mini o1",
        "2026-11-30": "claude-sonnet-4-5",
        "2026-12-11": "gpt-5 gpt-5-mini gpt-5-nano o3",
        "2027-01-14": "gpt-4.1 gpt-4.1-mini gpt-4o gpt-4o-mini",
        "2027-04-01": "gpt-5.4-nano gpt-5.1",
    }.items()
    for name in names.split()
}


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model as the picker shows it. Prices are USD for a million tokens, those of short prompts."""

    name: str
    provider: str
    label: str
    context_tokens: int | None = None
    input_price: Decimal | None = None
    output_price: Decimal | None = None


def split(name: str) -> tuple[str | None, str]:
    """`[provider:]name` in its parts; what stands before a colon counts only if it is a provider."""
    provider, colon, rest = name.strip().partition(":")
    if colon and provider in PROVIDERS and rest:
        return provider, rest
    return None, name.strip()


def provider_of(name: str) -> str | None:
    """Whose model it is; None where the name does not say, or for `default`, which depends on the keys."""
    provider, rest = split(name)
    if provider is not None:
        return provider
    if rest == demo.NAME:
        return demo.NAME
    return next((family for family, pattern in _FAMILIES if pattern.match(rest)), None)


def known(name: str) -> bool:
    """Whether a definition may name it, without regard to keys."""
    return name.strip() == DEFAULT or provider_of(name) is not None


def retirement(name: str) -> date | None:
    """The day on which the provider switches the model off, if it has said so."""
    return _RETIREMENTS.get(split(name)[1])


def listed() -> list[ModelInfo]:
    """What the model picker offers: `default` and `demo`, then each provider's, the newest first."""
    return list(_listed())


@cache
def _listed() -> tuple[ModelInfo, ...]:
    from genai_prices.data_snapshot import get_snapshot

    nothing = Decimal(0)
    found = [
        ModelInfo(DEFAULT, DEFAULT, "Default (the first provider with a key, else the demo model)"),
        ModelInfo(demo.NAME, demo.NAME, "Demo (no key needed)", None, nothing, nothing),
    ]
    for provider in get_snapshot().providers:
        if provider.id in KEY_NAMES:
            named = [_model_info(provider.id, model) for model in provider.models if _for_chat(model)]
            found += sorted(named, key=lambda info: _version(info.name), reverse=True)
    return tuple(found)


def price(provider: str, model: str, usage: Usage) -> Decimal | None:
    """What the tokens cost, in USD, by the price list that was installed; None where it has no such model."""
    if provider == demo.NAME:
        return Decimal(0)
    from genai_prices import Usage as PricedUsage
    from genai_prices.data_snapshot import get_snapshot

    counted = PricedUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    try:
        found = get_snapshot().calc(counted, model, provider, None, None)
    except LookupError:
        return None
    return Decimal(found.total_price)


def _for_chat(model: "PricedModel") -> bool:
    last_day = retirement(model.id)
    retired = last_day is not None and last_day <= datetime.now(UTC).date()
    return not (retired or model.deprecated or _NOT_FOR_CHAT.search(model.id))


def _model_info(provider: str, model: "PricedModel") -> ModelInfo:
    prices = model.get_prices(datetime.now(UTC))
    last_day = retirement(model.id)
    return ModelInfo(
        name=model.id,
        provider=provider,
        label=f"{model.name or model.id} (until {last_day})" if last_day else model.name or model.id,
        context_tokens=model.context_window,
        input_price=_base(prices.input_mtok),
        output_price=_base(prices.output_mtok),
    )


def _base(price_: Any) -> Decimal | None:
    """A price, or the first step of one that grows with the prompt."""
    found: Decimal | None = getattr(price_, "base", price_)
    return found


def _version(name: str) -> tuple[list[int], str]:
    return [int(digits) for digits in re.findall(r"\d+", name)], name
