from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from engine.context import Context
from engine.nodes.base import Around, NodeKind, Rounds
from engine.nodes.fields import Expr, Json, NodeConfig, NodeOutput, Text, field
from engine.regions import DONE, EACH
from engine.shapes import ANYTHING, SCALAR, Fields, Items, Shape

Count = Annotated[int, Field(ge=1)]


class LoopConfig(NodeConfig):
    mode: Literal["items", "while"] = field(
        "Repeat",
        "`items`: once for each item of a list. `while`: as long as the condition holds.",
        widget="select",
        default="items",
        verbatim=True,
    )
    items: Expr[list[Json]] | None = field(
        "Items", "The list; in the body `item` is one of it.", widget="expression", default=None
    )
    condition: Text | None = field(
        "Condition",
        "Asked before each round; it may name the loop's own body, and then sees the round before. "
        "While there is none, the body runs.",
        widget="condition",
        default=None,
    )
    max_iterations: Expr[Count] = field(
        "At most", "Rounds of a `while` loop; then it goes on along `done`.", widget="number", default=100
    )
    max_concurrency: Expr[Annotated[int, Field(ge=1, le=100)]] = field(
        "At once", "How many items are worked on at the same time.", widget="number", default=1
    )

    @model_validator(mode="after")
    def _complete(self) -> "LoopConfig":
        if self.mode == "items" and self.items is None:
            raise ValueError("give the items, or choose the mode `while`")
        if self.mode == "while" and not (self.condition or "").strip():
            raise ValueError("a `while` loop needs a condition")
        return self


class LoopOutput(NodeOutput):
    items: list[Json]
    count: int
    results: list[Json]


class Loop(NodeKind[LoopConfig]):
    type = "logic"
    subtype = "loop"
    label = "Loop"
    help = "Repeats what hangs on `each` and leads back, for each item or while a condition holds."
    icon = "repeat"
    instant = True
    handle_names = (EACH, DONE)
    goes_on = DONE
    repeats = True
    deferred = frozenset({"condition"})
    Config = LoopConfig
    Output = LoopOutput

    def shape(self, config: LoopConfig, around: Around) -> Shape:
        items = Items(ANYTHING) if config.items is None else around.value(config.items)
        return Fields({"items": items, "count": SCALAR, "results": Items(around.rounds)})

    def handle_of(self, config: LoopConfig, output: Any) -> str:
        return DONE

    async def run(self, config: LoopConfig, context: Context) -> Rounds:
        if config.mode == "while":
            return Rounds(None, config.condition, config.max_iterations, 1)
        items = config.items or []
        return Rounds(items, None, len(items), config.max_concurrency)
