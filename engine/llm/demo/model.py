"""The demo model as pydantic-ai sees it: it answers each kind of request that our nodes make, and streams.

Loaded by the router when somebody asks for the model; nothing else may import it at module level.
"""

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponseStreamEvent,
    TextPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from engine.llm.demo import NAME
from engine.llm.demo.answers import chat_answer, summary
from engine.llm.demo.fields import filled
from engine.llm.demo.labels import Label, best_label
from engine.llm.demo.text import token_count

_PIECE = re.compile(r"\S+\s*|\s+")


class DemoModel(Model):
    """Deterministic: the same request has the same answer.

    What is asked for is read from the request's `metadata` (`task`, `text`, `labels`), which no other
    model is sent; without it an output schema asks for its fields and everything else is chat. Tokens
    are counted with one for every four characters begun, over all that is sent and answered.
    """

    def __init__(self) -> None:
        profile = ModelProfile(supports_json_schema_output=True, supports_json_object_output=True)
        super().__init__(profile=profile)

    @property
    def model_name(self) -> str:
        return NAME

    @property
    def system(self) -> str:
        return NAME

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        model_settings, parameters = self.prepare_request(model_settings, model_request_parameters)
        part = _answer(messages, parameters)
        written = part.content if isinstance(part, TextPart) else part.args_as_json_str()
        return ModelResponse(
            parts=[part],
            usage=RequestUsage(input_tokens=_sent(messages), output_tokens=token_count(written)),
            model_name=NAME,
            provider_name=NAME,
            finish_reason="stop",
        )

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        response = await self.request(messages, model_settings, model_request_parameters)
        yield _DemoStream(model_request_parameters, response)


@dataclass
class _DemoStream(StreamedResponse):
    """The whole answer, handed out word by word."""

    _response: ModelResponse
    _timestamp: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        # What was sent is spent when the first word comes, what is written only when it is.
        self._usage = RequestUsage(input_tokens=self._response.usage.input_tokens)
        self.finish_reason = self._response.finish_reason
        for part in self._response.parts:
            if isinstance(part, TextPart):
                for piece in _PIECE.findall(part.content):
                    for event in self._parts_manager.handle_text_delta(vendor_part_id="text", content=piece):
                        yield event
            else:
                yield self._parts_manager.handle_part(vendor_part_id=None, part=part)
        self._usage = self._response.usage

    async def close_stream(self) -> None:
        return None

    @property
    def model_name(self) -> str:
        return NAME

    @property
    def provider_name(self) -> str:
        return NAME

    @property
    def provider_url(self) -> None:
        return None

    @property
    def timestamp(self) -> datetime:
        return self._timestamp


def _answer(messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> TextPart | ToolCallPart:
    asked = _metadata(messages)
    prompt = str(asked.get("text", _last_prompt(messages)))
    tool = parameters.output_tools[0] if parameters.output_tools else None
    schema = tool.parameters_json_schema if tool else None
    if schema is None and parameters.output_object is not None:
        schema = parameters.output_object.json_schema
    if asked.get("task") == "summarize":
        return TextPart(summary(prompt))
    if schema is None:
        return TextPart(chat_answer(prompt))
    if asked.get("task") == "classify":
        labels = [Label(each["name"], each.get("description") or "") for each in asked["labels"]]
        verdict = best_label(prompt, labels)
        data: Any = {"label": verdict.label, "confidence": verdict.confidence}
    else:
        data = filled(schema, prompt)
    if tool is not None:
        return ToolCallPart(tool.name, data, tool_call_id="demo_1")
    return TextPart(json.dumps(data, ensure_ascii=False))


def _metadata(messages: Sequence[ModelMessage]) -> Mapping[str, Any]:
    for message in reversed(messages):
        if isinstance(message, ModelRequest) and message.metadata:
            return message.metadata
    return {}


def _prompts(message: ModelMessage) -> list[str]:
    if not isinstance(message, ModelRequest):
        return []
    contents = [part.content for part in message.parts if isinstance(part, UserPromptPart)]
    return [
        content if isinstance(content, str) else " ".join(each for each in content if isinstance(each, str))
        for content in contents
    ]


def _last_prompt(messages: Sequence[ModelMessage]) -> str:
    return next((text for message in reversed(messages) for text in reversed(_prompts(message))), "")


def _sent(messages: Sequence[ModelMessage]) -> int:
    texts = [text for message in messages for text in _prompts(message)]
    texts += [message.instructions or "" for message in messages if isinstance(message, ModelRequest)]
    return sum(token_count(text) for text in texts)
