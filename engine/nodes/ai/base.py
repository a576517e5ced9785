"""What all nodes that ask a model have in common."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import Field

from engine.context import Context
from engine.errors import EngineError
from engine.events import money
from engine.llm.catalog import DEFAULT, price
from engine.llm.demo.text import token_count
from engine.llm.question import Answer, Question
from engine.nodes.base import ClassOf, NodeKind, Result
from engine.nodes.fields import Expr, NodeConfig, NodeOutput, Text, field
from engine.ports import Usage

ESTIMATED_OUTPUT_TOKENS = 1024
"""What an answer is taken to need where the node sets no limit."""
MOST_FALLBACKS = 5


class AiConfig(NodeConfig):
    """Every model node has these; each adds what it asks."""

    model: Text = field(
        "Model",
        "Which model is asked. `default` is the first provider with a key, else the demo model.",
        widget="model",
        default=DEFAULT,
        min_length=1,
    )
    fallback_models: list[Annotated[Text, Field(min_length=1)]] = Field(
        default=[],
        title="Fallback models",
        description="Asked in this order when the model cannot be reached or is overloaded.",
        max_length=MOST_FALLBACKS,
        # Edited as a list; `holds` tells that each entry is the name of a model.
        json_schema_extra={"widget": "list", "holds": "model"},
    )
    system: Text | None = field(
        "System prompt", "Who the model is and how it should behave.", widget="textarea", default=None
    )
    temperature: Expr[Annotated[float, Field(ge=0, le=2)]] | None = field(
        "Temperature", "0 is the most predictable. Empty: the model's own.", widget="number", default=None
    )
    top_p: Expr[Annotated[float, Field(ge=0, le=1)]] | None = field(
        "Top P",
        "Only the likeliest words, up to this share. Empty: the model's own.",
        widget="number",
        default=None,
    )
    max_tokens: Expr[Annotated[int, Field(ge=1, le=1_000_000)]] | None = field(
        "Longest answer", "In tokens. Empty: the model's own limit.", widget="number", default=None
    )


class TokenUsage(NodeOutput):
    """Tokens. Those read from or written to a cache are among the input tokens."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int


class AiOutput(NodeOutput):
    """Every model node's output has these. `cost` is USD; `demo` marks what no real model said."""

    text: str
    model: str
    provider: str
    usage: TokenUsage
    cost: str
    demo: bool


C = TypeVar("C", bound=AiConfig)


class AiNode(NodeKind[C]):
    """A node that asks a model: `question` says what, the answer's cost is counted as it comes in."""

    type = "ai"
    spends = True
    timeout_seconds = 300
    Output: ClassOf[NodeOutput] = AiOutput

    def question(self, config: C) -> Question:
        raise NotImplementedError

    def estimate(self, config: C, context: Context) -> Decimal:
        """The dearest of the models, by the length of the prompt and the longest answer allowed."""
        question = self.question(config)
        sent = token_count(question.prompt) + token_count(question.system or "")
        usage = Usage(input_tokens=sent, output_tokens=config.max_tokens or ESTIMATED_OUTPUT_TOKENS)
        return max((_price(name, usage, context) for name in question.models), default=Decimal(0))

    def models(self, config: C) -> Sequence[str]:
        return [config.model, *config.fallback_models]

    def result(self, answer: Answer, context: Context, **more: Any) -> Result:
        """The step's output. Its usage has been counted by the context already."""
        spent = context.usage or Usage()
        return Result(
            {
                "text": answer.text,
                **more,
                "model": answer.model.name,
                "provider": answer.model.provider,
                "usage": {
                    "input_tokens": spent.input_tokens,
                    "output_tokens": spent.output_tokens,
                    "cache_read_tokens": spent.cache_read_tokens,
                    "cache_write_tokens": spent.cache_write_tokens,
                },
                "cost": money(spent.cost),
                "demo": answer.model.demo,
            }
        )


def _price(name: str, usage: Usage, context: Context) -> Decimal:
    try:
        model = context.models.resolve(name)
    except EngineError:
        # The call itself says what is wrong with it.
        return Decimal(0)
    return price(model.provider, model.name, usage) or Decimal(0)
