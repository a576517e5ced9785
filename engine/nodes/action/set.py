from pydantic import ConfigDict

from engine.context import Context
from engine.nodes.base import Around, NodeKind, Result
from engine.nodes.fields import Expr, Json, NodeConfig, NodeOutput, field
from engine.shapes import Shape


class SetConfig(NodeConfig):
    values: Expr[dict[str, Json]] = field(
        "Values", "Names and what they hold; the output is this object, resolved.", widget="key_value"
    )


class SetOutput(NodeOutput):
    model_config = ConfigDict(extra="allow")


class Set(NodeKind[SetConfig]):
    type = "action"
    subtype = "set"
    label = "Set values"
    help = "Gathers values under names for the next nodes."
    icon = "pencil"
    instant = True
    Config = SetConfig
    Output = SetOutput

    def shape(self, config: SetConfig, around: Around) -> Shape:
        return around.value(config.values)

    async def run(self, config: SetConfig, context: Context) -> Result:
        return Result(config.values)
