import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from engine.errors import EngineError, MissingKeyError, UnknownModelError
from engine.llm.errors import (
    AnswerCutError,
    BrokenAnswerError,
    ModelRequestError,
    ProviderAuthError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitedError,
    RefusedAnswerError,
)
from engine.llm.question import Question, Shape
from engine.llm.request import ask
from engine.llm.router import ModelRouter
from engine.ports import Models
from tests.engine.llm.conftest import (
    CHAT,
    IMPATIENCE,
    KEY,
    MESSAGES,
    PATIENCE,
    RESPONSES,
    SILENT,
    Asking,
    Wire,
)
from tests.model_server import BAD_KEY, ModelServer

Make = Callable[[Models], Asking]
PROMPT = "Is it hot or cold today?"


def _checked(data: Any) -> Any:
    if data["label"] not in ("hot", "cold"):
        raise ValueError("`label` must be hot or cold")
    return data


SHAPE = Shape(
    "classification",
    "Which one it is.",
    {
        "type": "object",
        "properties": {
            "label": {"type": "string", "enum": ["hot", "cold"]},
            "confidence": {"type": "number"},
        },
        "required": ["label", "confidence"],
        "additionalProperties": False,
    },
    _checked,
)


def text(model: str, **more: Any) -> Question:
    return Question([model], PROMPT, **more)


def data(model: str, **more: Any) -> Question:
    return Question([model], "it is cold", shape=SHAPE, **more)


async def test_text_is_streamed_and_counted(wire: Wire, router: ModelRouter, asking: Make) -> None:
    asked = asking(router)
    answer = await ask(text(wire.model), asked.context)
    assert answer.text == f"You said: {PROMPT}"
    assert "".join(asked.tokens) == answer.text
    assert len(asked.tokens) > 1
    assert (answer.model.name, answer.model.demo) == (wire.model, False)
    usage = asked.context.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.model) == (6, 8, wire.model)
    prices = {"gpt-4.1-mini": ("0.0000004", "0.0000016"), "claude-sonnet-4-6": ("0.000003", "0.000015")}
    sent, answered = map(Decimal, prices[wire.model])
    assert usage.cost == 6 * sent + 8 * answered
    assert not [entry for entry in asked.logs if "switched off" not in entry.message]


async def test_data_comes_in_the_shape_that_was_asked_for(
    wire: Wire, router: ModelRouter, asking: Make, server: ModelServer
) -> None:
    asked = asking(router)
    answer = await ask(data(wire.model), asked.context)
    assert answer.data == {"label": "cold", "confidence": 0.9}
    assert asked.tokens == []
    assert asked.context.usage is not None
    assert asked.context.usage.output_tokens == 4


async def test_data_may_also_come_as_text(wire: Wire, router: ModelRouter, asking: Make) -> None:
    answer = await ask(data(wire.named("text-json")), asking(router).context)
    assert answer.data == {"label": "cold", "confidence": 0.9}


async def test_the_settings_and_the_system_prompt_are_sent(
    wire: Wire, router: ModelRouter, asking: Make, server: ModelServer
) -> None:
    question = text(wire.model, system="Be brief.", temperature=0.5, top_p=0.9, max_tokens=77)
    await ask(question, asking(router).context)
    (request,) = server.requests
    limit = {"chat": "max_completion_tokens", "responses": "max_output_tokens", "messages": "max_tokens"}
    assert request.body[limit[wire.api]] == 77
    assert request.body["temperature"] == 0.5
    assert "Be brief." in str(request.body)
    assert request.key == KEY


@pytest.mark.parametrize("model", ["gpt-6-luna", "o3", "claude-sonnet-5-5"])
async def test_settings_that_a_model_refuses_are_left_out_with_a_warning(
    router_for: Callable[..., ModelRouter], asking: Make, server: ModelServer, model: str
) -> None:
    asked = asking(router_for(CHAT, MESSAGES))
    await ask(text(model, temperature=0.5, top_p=0.9), asked.context)
    assert "temperature" not in server.requests[0].body
    assert any("takes no temperature and no top_p" in entry.message for entry in asked.logs)


async def test_a_model_that_is_about_to_end_says_so(
    router_for: Callable[..., ModelRouter], asking: Make
) -> None:
    asked = asking(router_for(CHAT))
    await ask(text("gpt-4.1-mini"), asked.context)
    assert any("2027-01-14" in entry.message for entry in asked.logs)


async def test_what_only_the_demo_model_is_told_is_not_sent(
    wire: Wire, router: ModelRouter, asking: Make, server: ModelServer
) -> None:
    await ask(text(wire.model, task={"task": "a-secret-task"}), asking(router).context)
    assert "a-secret-task" not in str(server.requests[0].body)


async def test_cached_tokens_are_among_the_input_tokens_and_cheaper(
    wire: Wire, router: ModelRouter, asking: Make
) -> None:
    plain, cached = asking(router), asking(router)
    await ask(text(f"{wire.model}"), plain.context)
    await ask(text(wire.named("cached")), cached.context)
    assert plain.context.usage is not None
    assert cached.context.usage is not None
    assert (cached.context.usage.input_tokens, cached.context.usage.cache_read_tokens) == (6, 3)
    if wire is MESSAGES:
        assert cached.context.usage.cost == plain.context.usage.cost - 3 * Decimal("0.0000027")


REFUSALS = [
    ("unauthorized", ProviderAuthError, False),
    ("forbidden", ProviderAuthError, False),
    ("bad-request", ModelRequestError, False),
    ("too-long", ModelRequestError, False),
    ("not-found", ModelRequestError, False),
    ("teapot", ModelRequestError, False),
    ("rate-limited", RateLimitedError, True),
    ("conflict", ProviderUnavailableError, True),
    ("error", ProviderUnavailableError, True),
    ("overloaded", ProviderUnavailableError, True),
]


@pytest.mark.parametrize("question", [text, data])
@pytest.mark.parametrize(("behaviour", "expected", "retryable"), REFUSALS)
async def test_a_refusal_is_sorted_and_asked_only_once(
    wire: Wire,
    router: ModelRouter,
    asking: Make,
    server: ModelServer,
    question: Callable[[str], Question],
    behaviour: str,
    expected: type[EngineError],
    retryable: bool,
) -> None:
    asked = asking(router)
    with pytest.raises(expected) as caught:
        await ask(question(wire.named(behaviour)), asked.context)
    assert caught.value.retryable is retryable
    assert len(server.requests) == 1
    assert asked.context.usage is None
    provider = "anthropic" if wire is MESSAGES else "openai"
    assert caught.value.details["provider"] == provider
    shown = f"{caught.value} {caught.value.details} {caught.value.__cause__}"
    assert KEY not in shown
    assert KEY[:8] not in shown
    if expected is ProviderAuthError:
        assert f"{provider.upper()}_API_KEY" in caught.value.message
    elif expected is ModelRequestError:
        assert "Refused on purpose" in caught.value.message


async def test_the_provider_says_when_to_come_back(wire: Wire, router: ModelRouter, asking: Make) -> None:
    with pytest.raises(RateLimitedError) as caught:
        await ask(text(wire.named("rate-limited")), asking(router).context)
    assert caught.value.retry_after == 7


@pytest.mark.parametrize("wire", [CHAT, RESPONSES], ids=lambda wire: wire.api)
async def test_a_used_up_quota_is_not_tried_again(router: ModelRouter, asking: Make, wire: Wire) -> None:
    with pytest.raises(QuotaExceededError) as caught:
        await ask(text(wire.named("no-quota")), asking(router).context)
    assert not caught.value.retryable


async def test_a_wrong_key_is_named_by_its_setting_and_never_shown(
    wire: Wire, router_for: Callable[..., ModelRouter], asking: Make
) -> None:
    with pytest.raises(ProviderAuthError, match="_API_KEY") as caught:
        await ask(text(wire.model), asking(router_for(wire, key=BAD_KEY)).context)
    assert BAD_KEY not in f"{caught.value} {caught.value.details}"


@pytest.mark.parametrize("behaviour", ["hang", "stall", "cut", "end-early", "stream-error"])
async def test_an_answer_that_breaks_off_is_worth_another_try(
    wire: Wire, router_for: Callable[..., ModelRouter], asking: Make, server: ModelServer, behaviour: str
) -> None:
    asked = asking(router_for(wire, silence=IMPATIENCE if behaviour in SILENT else PATIENCE))
    with pytest.raises(ProviderUnavailableError) as caught:
        await ask(text(wire.named(behaviour)), asked.context)
    assert caught.value.retryable
    assert len(server.requests) == 1
    if wire is MESSAGES and behaviour != "hang":
        # This provider says at once what the prompt costs, so it is paid for.
        assert asked.context.usage is not None
        assert asked.context.usage.input_tokens == 6


@pytest.mark.parametrize("behaviour", ["hang", "cut"])
async def test_data_that_breaks_off_is_worth_another_try(
    wire: Wire, router_for: Callable[..., ModelRouter], asking: Make, behaviour: str
) -> None:
    router = router_for(wire, silence=IMPATIENCE if behaviour in SILENT else PATIENCE)
    with pytest.raises(ProviderUnavailableError):
        await ask(data(wire.named(behaviour)), asking(router).context)


async def test_nobody_there_is_worth_another_try(wire: Wire, asking: Make) -> None:
    with ModelServer() as gone:
        providers = wire.providers(gone)
    router = ModelRouter(providers)
    with pytest.raises(ProviderUnavailableError, match="connection"):
        await ask(text(wire.model), asking(router).context)
    await router.aclose()


UNUSABLE = ["broken-json", "not-json", "empty", "blank", "bad-label", "deep-json", "deep-text"]


@pytest.mark.parametrize("behaviour", UNUSABLE)
async def test_unusable_data_is_asked_for_once_more(
    wire: Wire, router: ModelRouter, asking: Make, server: ModelServer, behaviour: str
) -> None:
    asked = asking(router)
    answer = await ask(data(wire.named(f"{behaviour}-once")), asked.context)
    assert answer.data["label"] in ("hot", "cold")
    assert len(server.requests) == 2
    assert [entry.level for entry in asked.logs if "asking again" in entry.message] == ["warning"]

    asked = asking(router)
    server.reset()
    with pytest.raises(BrokenAnswerError) as caught:
        await ask(data(wire.named(behaviour)), asked.context)
    assert not caught.value.retryable
    assert len(server.requests) == 2


async def test_the_model_is_told_what_was_wrong_with_its_answer(
    wire: Wire, router: ModelRouter, asking: Make, server: ModelServer
) -> None:
    asked = asking(router)
    await ask(data(wire.named("bad-label-once")), asked.context)
    assert "must be hot or cold" in str(server.requests[1].body)
    # Both answers were paid for.
    assert asked.context.usage is not None
    assert asked.context.usage.output_tokens > 8


@pytest.mark.parametrize("behaviour", ["blank", "not-json"])
async def test_text_without_text_is_asked_for_once_more(
    wire: Wire, router: ModelRouter, asking: Make, server: ModelServer, behaviour: str
) -> None:
    answer = await ask(text(wire.named(f"{behaviour}-once")), asking(router).context)
    assert answer.text == f"You said: {PROMPT}"
    server.reset()
    with pytest.raises(BrokenAnswerError):
        await ask(text(wire.named(behaviour)), asking(router).context)
    assert len(server.requests) == 2


@pytest.mark.parametrize("question", [text, data])
async def test_a_refusal_of_the_model_is_an_error(
    wire: Wire, router: ModelRouter, asking: Make, server: ModelServer, question: Callable[[str], Question]
) -> None:
    with pytest.raises(RefusedAnswerError):
        await ask(question(wire.named("refusal")), asking(router).context)
    assert len(server.requests) == 1


async def test_text_cut_at_the_token_limit_is_kept_with_a_warning(
    wire: Wire, router: ModelRouter, asking: Make
) -> None:
    asked = asking(router)
    assert (await ask(text(wire.named("length")), asked.context)).text
    assert any("token limit" in entry.message for entry in asked.logs)


async def test_data_cut_at_the_token_limit_says_so(
    wire: Wire, router: ModelRouter, asking: Make, server: ModelServer
) -> None:
    with pytest.raises(AnswerCutError, match="longer"):
        await ask(data(wire.named("cut-data")), asking(router).context)
    assert len(server.requests) == 1


async def test_a_model_without_a_price_counts_as_free_and_says_so_once(
    router_for: Callable[..., ModelRouter], asking: Make
) -> None:
    asked = asking(router_for(CHAT))
    await ask(data("my-own-model--bad-label-once"), asked.context)
    assert asked.context.usage is not None
    assert asked.context.usage.cost == 0
    assert asked.context.usage.tokens > 0
    assert sum("no price" in entry.message for entry in asked.logs) == 1


async def test_a_server_that_reports_no_usage_still_answers(
    router_for: Callable[..., ModelRouter], asking: Make
) -> None:
    asked = asking(router_for(CHAT))
    assert (await ask(text(CHAT.named("no-usage")), asked.context)).text
    assert asked.context.usage is not None
    assert asked.context.usage.tokens == 0


class TestFallback:
    """The next model is asked only where the one before cannot be reached."""

    @pytest.mark.parametrize("behaviour", ["rate-limited", "error", "overloaded", "cut", "no-quota"])
    async def test_on_what_is_not_available(
        self, router_for: Callable[..., ModelRouter], asking: Make, server: ModelServer, behaviour: str
    ) -> None:
        asked = asking(router_for(CHAT, MESSAGES))
        models = [CHAT.named(behaviour), MESSAGES.model]
        answer = await ask(Question(models, PROMPT), asked.context)
        assert answer.model.name == MESSAGES.model
        assert [request.path for request in server.requests] == ["/v1/chat/completions", "/v1/messages"]
        assert any(behaviour in entry.message for entry in asked.logs)

    @pytest.mark.parametrize("behaviour", ["unauthorized", "bad-request", "not-found", "refusal", "blank"])
    async def test_not_on_what_is_wrong(
        self, router_for: Callable[..., ModelRouter], asking: Make, server: ModelServer, behaviour: str
    ) -> None:
        models = [CHAT.named(behaviour), MESSAGES.model]
        with pytest.raises(EngineError):
            await ask(Question(models, PROMPT), asking(router_for(CHAT, MESSAGES)).context)
        assert "/v1/messages" not in [request.path for request in server.requests]

    async def test_the_last_error_counts_where_none_can_be_reached(
        self, router_for: Callable[..., ModelRouter], asking: Make
    ) -> None:
        models = [CHAT.named("error"), MESSAGES.named("rate-limited")]
        with pytest.raises(RateLimitedError):
            await ask(Question(models, PROMPT), asking(router_for(CHAT, MESSAGES)).context)

    async def test_not_on_a_missing_key_or_an_unknown_name(
        self, router_for: Callable[..., ModelRouter], asking: Make
    ) -> None:
        asked = asking(router_for(MESSAGES))
        with pytest.raises(MissingKeyError):
            await ask(Question(["gpt-4.1-mini", MESSAGES.model], PROMPT), asked.context)
        with pytest.raises(UnknownModelError):
            await ask(Question(["no-such-model", MESSAGES.model], PROMPT), asked.context)

    async def test_what_a_failed_model_consumed_is_counted_too(
        self, router_for: Callable[..., ModelRouter], asking: Make
    ) -> None:
        asked = asking(router_for(CHAT, MESSAGES))
        await ask(Question([MESSAGES.named("cut"), CHAT.model], PROMPT), asked.context)
        assert asked.context.usage is not None
        assert asked.context.usage.input_tokens == 12


async def test_many_at_once_share_one_client(
    wire: Wire, router: ModelRouter, asking: Make, server: ModelServer
) -> None:
    asked = [asking(router) for _ in range(20)]
    answers = await asyncio.gather(*(ask(text(wire.model), each.context) for each in asked))
    assert {answer.text for answer in answers} == {f"You said: {PROMPT}"}
    assert len({id(answer.model.model) for answer in answers}) == 1
