from typing import Literal

from pydantic import JsonValue

from engine.context import Context
from engine.nodes.base import NodeKind, Result
from engine.nodes.fields import NodeConfig, NodeOutput, field


class WebhookConfig(NodeConfig):
    response: Literal["immediate", "when_finished", "respond_node"] = field(
        "Answer",
        "What the caller gets: an id at once, the output at the end, or what a respond node says.",
        widget="select",
        default="immediate",
        verbatim=True,
    )


class WebhookOutput(NodeOutput):
    data: JsonValue = None


class Webhook(NodeKind[WebhookConfig]):
    type = "trigger"
    subtype = "webhook"
    label = "Webhook"
    help = "Starts when another system calls this agent's address."
    icon = "webhook"
    instant = True
    Config = WebhookConfig
    Output = WebhookOutput

    async def run(self, config: WebhookConfig, context: Context) -> Result:
        return Result({"data": context.trigger.data})
