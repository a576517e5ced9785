import json
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.messages import ModelRequest, PartDeltaEvent, UserPromptPart

from engine.llm.demo.model import DemoModel


class Lead(BaseModel):
    email: str
    seats: int


def request(text: str, system: str | None = None, **metadata: Any) -> list[Any]:
    return [ModelRequest(parts=[UserPromptPart(text)], instructions=system, metadata=metadata or None)]


async def test_the_same_question_has_the_same_answer_streamed_or_not() -> None:
    messages = request("Tell me about seats. We need 50 seats.")
    whole = await model_request(DemoModel(), messages)
    async with model_request_stream(DemoModel(), messages) as stream:
        events = [event async for event in stream]
        streamed = stream.get()
    assert whole.text == streamed.text
    assert whole.usage == streamed.usage
    assert sum(isinstance(event, PartDeltaEvent) for event in events) > 5
    assert (whole.model_name, whole.provider_name) == ("demo", "demo")


async def test_tokens_are_four_characters_each() -> None:
    response = await model_request(DemoModel(), request("abcdefgh", "abcd"))
    assert response.usage.input_tokens == 3
    assert response.usage.output_tokens == -(-len(response.text or "") // 4)


async def test_it_summarizes_when_told_to() -> None:
    text = "The engine stalls. Nobody came. The engine stalls when cold. The cold engine is old. It rained."
    response = await model_request(DemoModel(), request(text, task="summarize"))
    assert response.text
    assert "Demo" not in response.text
    assert len(response.text) < len(text)


@pytest.mark.parametrize("output", [Lead, NativeOutput(Lead)])
async def test_it_fills_the_output_type_of_an_agent(output: Any) -> None:
    agent = Agent(DemoModel(), output_type=output, instructions="Read the lead.")
    result = await agent.run("Mail me at ada@engines.example, we need 50 seats")
    assert result.output == Lead(email="ada@engines.example", seats=50)


async def test_structured_data_is_streamed_too() -> None:
    agent = Agent(DemoModel(), output_type=Lead)
    async with agent.run_stream("ada@engines.example 50 seats") as result:
        assert (await result.get_output()).seats == 50
    assert json.dumps(result.usage.input_tokens) != "0"
