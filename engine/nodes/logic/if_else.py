from typing import Any

from engine.context import Context
from engine.nodes.base import NodeKind, Result
from engine.nodes.fields import Condition, NodeConfig, NodeOutput, field


class IfElseConfig(NodeConfig):
    condition: Condition = field(
        "Condition", "The run goes on along `true` or `false`, by what this comes to.", widget="condition"
    )


class IfElseOutput(NodeOutput):
    branch: str


class IfElse(NodeKind[IfElseConfig]):
    type = "logic"
    subtype = "if_else"
    label = "If / else"
    help = "Takes one of two ways, by a condition."
    icon = "split"
    instant = True
    handle_names = ("true", "false")
    Config = IfElseConfig
    Output = IfElseOutput

    def handle_of(self, config: IfElseConfig, output: Any) -> str:
        branch = output.get("branch") if isinstance(output, dict) else output
        return "true" if branch in (True, "true") else "false"

    async def run(self, config: IfElseConfig, context: Context) -> Result:
        branch = "true" if config.condition else "false"
        return Result({"branch": branch}, branch)
