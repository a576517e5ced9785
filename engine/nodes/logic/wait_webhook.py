from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, JsonValue

from engine.context import Context
from engine.errors import WaitExpiredError
from engine.nodes.base import NodeKind, Park, Result
from engine.nodes.fields import Expr, NodeConfig, NodeOutput, field
from engine.ports import WaitingFor

Seconds = Annotated[float, Field(gt=0, le=366 * 86_400)]


class WaitWebhookConfig(NodeConfig):
    timeout_seconds: Expr[Seconds] | None = field(
        "Waits at most",
        "Seconds after which this step fails; empty: it waits as long as it takes.",
        widget="duration",
        default=None,
    )


class WaitWebhookOutput(NodeOutput):
    data: JsonValue


class WaitWebhook(NodeKind[WaitWebhookConfig]):
    type = "logic"
    subtype = "wait_webhook"
    label = "Wait for a call"
    help = "Waits until another system calls the step's own address, and takes in what it sends."
    icon = "radio-tower"
    instant = True
    Config = WaitWebhookConfig
    Output = WaitWebhookOutput

    async def run(self, config: WaitWebhookConfig, context: Context) -> Park:
        until = None
        if config.timeout_seconds is not None:
            until = context.clock.now() + timedelta(seconds=config.timeout_seconds)
        return Park(WaitingFor("webhook", until))

    async def resume(
        self, config: WaitWebhookConfig, context: Context, signal_payload: Mapping[str, Any], state: Any
    ) -> Result:
        if signal_payload.get("kind") == "timer":
            raise WaitExpiredError(
                "Nobody called in time", details={"timeout_seconds": config.timeout_seconds}
            )
        return Result({"data": signal_payload.get("data")})

    async def dry(self, config: WaitWebhookConfig, context: Context) -> Result:
        return Result({"dry_run": True, "data": None})
