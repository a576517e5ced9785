from datetime import date
from decimal import Decimal

import pytest

from engine.llm import catalog
from engine.llm.catalog import known, listed, price, provider_of, retirement, split
from engine.ports import Usage


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("demo", "demo"),
        ("demo:demo", "demo"),
        ("claude-sonnet-5-5", "anthropic"),
        ("gpt-6-luna", "openai"),
        ("chatgpt-4o-latest", "openai"),
        ("o3", "openai"),
        ("o4-mini", "openai"),
        ("openai:something-new", "openai"),
        ("anthropic:something-new", "anthropic"),
        (" gpt-6-luna ", "openai"),
        ("default", None),
        ("llama3:8b", None),
        ("openai:", None),
        ("openly", None),
        ("", None),
    ],
)
def test_a_name_says_whose_it_is(name: str, provider: str | None) -> None:
    assert provider_of(name) == provider
    assert known(name) is (provider is not None or name == "default")


def test_only_a_provider_before_a_colon_is_cut_off() -> None:
    assert split("openai:llama3:8b") == ("openai", "llama3:8b")
    assert split("llama3:8b") == (None, "llama3:8b")


def test_the_picker_offers_what_can_chat_the_newest_first() -> None:
    models = listed()
    names = [model.name for model in models]
    assert names[:2] == ["default", "demo"]
    assert len(set(names)) == len(names)
    assert {model.provider for model in models} == {"default", "demo", "anthropic", "openai"}
    assert set(catalog.DEFAULT_MODELS.values()) <= set(names)
    assert names.index("claude-sonnet-5-5") < names.index("claude-sonnet-4-6")
    refused = ("embedding", "whisper", "tts", "image", "realtime", "moderation", "davinci", "claude-2")
    assert not [name for name in names if any(word in name for word in refused)]
    by_name = {model.name: model for model in models}
    sonnet = by_name["claude-sonnet-4-6"]
    assert (sonnet.input_price, sonnet.output_price) == (Decimal(3), Decimal(15))
    assert sonnet.context_tokens == 1_000_000
    assert by_name["demo"].input_price == 0


def test_the_default_models_are_here_to_stay() -> None:
    assert [name for name in catalog.DEFAULT_MODELS.values() if retirement(name)] == []


def test_retired_models_are_not_offered_but_known() -> None:
    assert retirement("claude-opus-4-0") == date(2026, 6, 15)
    assert retirement("anthropic:claude-opus-4-0") == date(2026, 6, 15)
    assert "claude-opus-4-0" not in [model.name for model in listed()]
    assert known("claude-opus-4-0")


@pytest.mark.parametrize(
    ("provider", "model", "usage", "cost"),
    [
        ("anthropic", "claude-sonnet-4-6", Usage(1000, 500), "0.0105"),
        ("anthropic", "claude-sonnet-4-6", Usage(1, 1), "0.000018"),
        ("anthropic", "claude-sonnet-4-6", Usage(1000, 0, cache_read_tokens=1000), "0.0003"),
        ("anthropic", "claude-sonnet-4-6", Usage(1000, 0, cache_write_tokens=1000), "0.00375"),
        ("openai", "gpt-5.4-mini", Usage(1_000_000, 1_000_000), "5.25"),
        ("openai", "gpt-5.4-mini", Usage(1000, 0, cache_read_tokens=400), "0.00048"),
        ("demo", "demo", Usage(1000, 1000), "0"),
        ("openai", "gpt-5.4-mini", Usage(), "0"),
    ],
)
def test_prices_are_exact(provider: str, model: str, usage: Usage, cost: str) -> None:
    assert price(provider, model, usage) == Decimal(cost)


def test_an_unknown_model_has_no_price() -> None:
    assert price("openai", "llama3:8b", Usage(10, 10)) is None
