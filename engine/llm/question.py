"""What is asked of a model, and how that is said to pydantic-ai."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.ports import ResolvedModel

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.profiles import ModelProfile
    from pydantic_ai.settings import ModelSettings


@dataclass(frozen=True, slots=True)
class Shape:
    """The structured answer that is wanted. `check` gives the data as it should be, or raises ValueError.

    `strict`: the provider is to hold to the schema; None: where it can with this one.
    """

    name: str
    description: str
    json_schema: dict[str, Any]
    check: Callable[[Any], Any]
    strict: bool | None = True


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `models`: names, the preferred first. `task` tells the demo model what it is about."""

    models: Sequence[str]
    prompt: str
    system: str | None = None
    shape: Shape | None = None
    task: Mapping[str, Any] = field(default_factory=dict)
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None

    def request(self) -> "ModelMessage":
        from pydantic_ai.messages import UserPromptPart

        return self._message([UserPromptPart(self.prompt)])

    def correction(self, response: "ModelResponse", wish: str) -> "ModelMessage":
        """What follows an answer that cannot be used."""
        from pydantic_ai.messages import ToolReturnPart, UserPromptPart

        calls = response.tool_calls
        answered: list[Any] = [
            ToolReturnPart(call.tool_name, wish, tool_call_id=call.tool_call_id) for call in calls
        ]
        return self._message(answered or [UserPromptPart(wish)])

    def _message(self, parts: list[Any]) -> "ModelMessage":
        from pydantic_ai.messages import ModelRequest

        # The metadata stays here: no provider is sent it.
        return ModelRequest(parts=parts, instructions=self.system or None, metadata=dict(self.task))

    def settings(self, profile: "ModelProfile") -> "tuple[ModelSettings, list[str]]":
        """The settings, and the names of those that were left out because the model refuses them."""
        from pydantic_ai.settings import ModelSettings

        # Some models are otherwise told at length about frames in the conversation, which there are none of.
        settings = ModelSettings(framing_announcement="never")
        left_out: list[str] = []
        if self.max_tokens is not None:
            settings["max_tokens"] = self.max_tokens
        samples = _samples(profile)
        if self.temperature is not None:
            if samples:
                settings["temperature"] = self.temperature
            else:
                left_out.append("temperature")
        if self.top_p is not None:
            if samples:
                settings["top_p"] = self.top_p
            else:
                left_out.append("top_p")
        return settings, left_out

    def parameters(self) -> "ModelRequestParameters":
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.output import OutputObjectDefinition
        from pydantic_ai.tools import ToolDefinition

        shape = self.shape
        if shape is None:
            return ModelRequestParameters()
        # Both are given: the model's profile picks the one that it does best.
        return ModelRequestParameters(
            output_mode="auto",
            output_tools=[
                ToolDefinition(
                    name=shape.name,
                    parameters_json_schema=shape.json_schema,
                    description=shape.description,
                    kind="output",
                    strict=shape.strict,
                )
            ],
            output_object=OutputObjectDefinition(
                json_schema=shape.json_schema,
                name=shape.name,
                description=shape.description,
                strict=shape.strict,
            ),
            allow_text_output=False,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """`data` is what the shape's check came to; without a shape there is only text."""

    text: str
    data: Any
    model: ResolvedModel


def _samples(profile: "ModelProfile") -> bool:
    """Whether the model takes a temperature; many of those that reason refuse it."""
    if profile.get("anthropic_disallows_sampling_settings"):
        return False
    if profile.get("openai_supports_reasoning"):
        may_not_reason = profile.get("openai_supports_reasoning_effort_none")
        return bool(may_not_reason) and not profile.get("thinking_enabled_by_default")
    return True
