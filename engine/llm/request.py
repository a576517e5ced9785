"""One question put to a model, and to the next where that one cannot be reached. Counts what it costs."""

import asyncio
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from engine.context import Context
from engine.llm.catalog import price, retirement
from engine.llm.errors import (
    AnswerCutError,
    BrokenAnswerError,
    ModelError,
    ProviderUnavailableError,
    RefusedAnswerError,
)
from engine.llm.question import Answer, Question
from engine.llm.translation import translated
from engine.ports import ResolvedModel, Usage

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import StreamedResponse
    from pydantic_ai.usage import RequestUsage

TRIES = 2
"""How often one model is asked when its answer is unusable."""


async def ask(question: Question, context: Context) -> Answer:
    """The answer of the first model that can be reached. Text is streamed, structured data is not.

    Raises a ModelError, UnknownModelError or MissingKeyError. What the providers say they consumed is
    counted by `context.spend`, failed tries included.
    """
    *others, last = question.models
    for name in others:
        try:
            return await _Call(question, await _resolved(name, context), context).answer()
        except ModelError as error:
            if not error.unavailable:
                raise
            context.log(
                f"{name} cannot answer, asking the next model: {error.message}",
                level="warning",
                data={"code": error.code, **error.details},
            )
    return await _Call(question, await _resolved(last, context), context).answer()


async def _resolved(name: str, context: Context) -> ResolvedModel:
    # A provider's SDK takes a second or more to load, which must not hold up this loop's other executions.
    return await asyncio.to_thread(context.models.resolve, name)


class _Call:
    """The question as put to one model."""

    def __init__(self, question: Question, model: ResolvedModel, context: Context) -> None:
        self._question = question
        self._model = model
        self._context = context
        self._unpriced = False
        self._settings, self._left_out = question.settings(model.model.profile)

    async def answer(self) -> Answer:
        self._warn()
        messages = [self._question.request()]
        for tries_left in reversed(range(TRIES)):
            response: ModelResponse | None = None
            try:
                response = await self._respond(messages)
                return self._read(response)
            except BrokenAnswerError as error:
                if not tries_left:
                    raise
                self._context.log(f"{error.message}; asking again", level="warning", data=error.details)
                if response is not None and response.parts:
                    wish = f"{error.message}. Answer again, exactly as asked."
                    messages += [response, self._question.correction(response, wish)]
        raise AssertionError("unreachable")

    def _warn(self) -> None:
        last_day = retirement(self._model.name)
        if last_day is not None:
            self._context.log(
                f"{self._model.name} is switched off by its provider on {last_day}: choose another model",
                level="warning",
                data=self._details(),
            )
        if self._left_out:
            self._context.log(
                f"{self._model.name} takes no {' and no '.join(self._left_out)}: left out",
                level="warning",
                data=self._details(),
            )

    async def _respond(self, messages: "list[ModelMessage]") -> "ModelResponse":
        # What comes out of the SDKs is chained to requests that hold the key, so it is not kept as a cause.
        from pydantic_ai.exceptions import AgentRunError

        try:
            # Anthropic's answers come as a stream in any case, and only the stream tells what it consumed
            # before it broke off.
            if self._question.shape is None or self._model.provider == "anthropic":
                return await self._streamed(messages)
            return await self._whole(messages)
        except AgentRunError as error:
            raise translated(error, self._model) from None

    async def _whole(self, messages: "list[ModelMessage]") -> "ModelResponse":
        from pydantic_ai.direct import model_request

        try:
            response = await model_request(
                self._model.model,
                messages,
                model_settings=self._settings,
                model_request_parameters=self._question.parameters(),
            )
        except (LookupError, ValueError, RecursionError) as error:
            # The library reads some answers, such as one without choices, as if they were whole.
            raise BrokenAnswerError(
                f"{self._model.name} sent an answer that cannot be read: {error}", details=self._details()
            ) from None
        self._spend(response.usage)
        return response

    async def _streamed(self, messages: "list[ModelMessage]") -> "ModelResponse":
        from pydantic_ai.direct import model_request_stream

        stream: StreamedResponse | None = None
        try:
            async with model_request_stream(
                self._model.model,
                messages,
                model_settings=self._settings,
                model_request_parameters=self._question.parameters(),
            ) as stream:
                async for event in stream:
                    piece = _piece(event)
                    if piece and self._question.shape is None:
                        await self._context.token(piece)
            response = stream.get()
        finally:
            # Also when it broke off or was cancelled: what was reported until then has been consumed.
            if stream is not None:
                self._spend(stream.usage)
        if self._broke_off(response):
            raise ProviderUnavailableError(
                f"{self._model.name} broke off in the middle of its answer", details=self._details()
            )
        return response

    def _read(self, response: "ModelResponse") -> Answer:
        text = response.text or ""
        shape = self._question.shape
        calls = response.tool_calls
        if response.finish_reason == "content_filter" and not calls:
            raise RefusedAnswerError(f"{self._model.name} declines to answer this", details=self._details())
        if shape is None:
            if not text.strip():
                raise BrokenAnswerError(f"{self._model.name} answered without text", details=self._details())
            if response.finish_reason == "length":
                self._context.log("The answer was cut off at the token limit", level="warning")
            return Answer(text, None, self._model)
        try:
            given = calls[0].args_as_dict(raise_if_invalid=True) if calls else json.loads(text)
        except (ValueError, AssertionError, RecursionError):
            if response.finish_reason == "length":
                raise AnswerCutError(
                    f"{self._model.name} reached the token limit before its {shape.name} was whole: "
                    "allow a longer answer",
                    details=self._details(),
                ) from None
            raise BrokenAnswerError(
                f"{self._model.name} did not answer with a {shape.name} in JSON", details=self._details()
            ) from None
        try:
            return Answer(text, shape.check(given), self._model)
        except (ValueError, RecursionError) as error:
            raise BrokenAnswerError(
                f"{self._model.name} did not answer with a usable {shape.name}: {error}",
                details=self._details(),
            ) from None

    def _broke_off(self, response: "ModelResponse") -> bool:
        """Both providers end each stream with a reason; without one the connection was closed too early."""
        raw = (response.provider_details or {}).get("finish_reason")
        reports = self._model.provider in ("openai", "anthropic")
        return reports and response.finish_reason is None and raw is None

    def _spend(self, usage: "RequestUsage") -> None:
        counted = Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        )
        cost = price(self._model.provider, self._model.name, counted)
        if cost is None and counted.tokens and not self._unpriced:
            self._unpriced = True
            self._context.log(
                f"There is no price for {self._model.name}: this counts as free",
                level="warning",
                data=self._details(),
            )
        self._context.spend(
            Usage(
                input_tokens=counted.input_tokens,
                output_tokens=counted.output_tokens,
                cache_read_tokens=counted.cache_read_tokens,
                cache_write_tokens=counted.cache_write_tokens,
                cost=cost or Decimal(0),
                model=self._model.name,
                provider=self._model.provider,
            )
        )

    def _details(self) -> dict[str, Any]:
        return {"provider": self._model.provider, "model": self._model.name}


def _piece(event: Any) -> str:
    """The text that an event of a stream adds."""
    from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta

    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
        return event.part.content
    if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
        return event.delta.content_delta
    return ""
