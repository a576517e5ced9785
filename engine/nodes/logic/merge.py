from typing import Literal

from pydantic import JsonValue

from engine.context import Context
from engine.nodes.base import Around, NodeKind, Result
from engine.nodes.fields import NodeConfig, NodeOutput, field
from engine.shapes import Fields, Shape


class MergeConfig(NodeConfig):
    mode: Literal["all", "any"] = field(
        "Go on",
        "`all` waits for every live way in, `any` goes on at the first.",
        widget="select",
        default="all",
        verbatim=True,
    )


class MergeOutput(NodeOutput):
    inputs: dict[str, JsonValue]


class Merge(NodeKind[MergeConfig]):
    type = "logic"
    subtype = "merge"
    label = "Merge"
    help = "Brings several ways together."
    icon = "merge"
    instant = True
    Config = MergeConfig
    Output = MergeOutput

    def shape(self, config: MergeConfig, around: Around) -> Shape:
        return Fields({"inputs": Fields(around.inputs)})

    async def run(self, config: MergeConfig, context: Context) -> Result:
        return Result({"inputs": dict(context.inputs)})
