from typing import Literal

from engine.context import Context
from engine.nodes.base import NodeKind, Result
from engine.nodes.fields import NodeConfig, NodeOutput, Text, field


class StopConfig(NodeConfig):
    status: Literal["completed", "failed"] = field(
        "The run has", "How the run ends.", widget="select", default="completed", verbatim=True
    )
    message: Text | None = field(
        "Message", "Why; of a failed run this is the error.", widget="textarea", default=None, max_length=2000
    )


class StopOutput(NodeOutput):
    status: Literal["completed", "failed"]
    message: str | None


class Stop(NodeKind[StopConfig]):
    type = "logic"
    subtype = "stop"
    label = "Stop"
    help = "Ends the run at once; what else is under way is cancelled."
    icon = "octagon-x"
    instant = True
    ends = True
    Config = StopConfig
    Output = StopOutput

    async def run(self, config: StopConfig, context: Context) -> Result:
        return Result({"status": config.status, "message": config.message})
