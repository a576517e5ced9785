from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field, model_validator

from engine.context import Context
from engine.nodes.base import NodeKind, Park, Result
from engine.nodes.fields import Expr, NodeConfig, NodeOutput, field
from engine.ports import WaitingFor

Seconds = Annotated[float, Field(ge=0, le=366 * 86_400)]
LONGEST_SLEEP = 5.0
"""Seconds that a step may hold its worker; longer waits give it back."""


class DelayConfig(NodeConfig):
    seconds: Expr[Seconds] | None = field("Seconds", "How long to wait.", widget="duration", default=None)
    until: Expr[datetime] | None = field(
        "Until",
        "When to go on, like 2030-01-31T09:00:00Z; without a zone it is UTC.",
        widget="expression",
        default=None,
    )

    @model_validator(mode="after")
    def _one(self) -> "DelayConfig":
        if (self.seconds is None) == (self.until is None):
            raise ValueError("give either seconds or until")
        return self


class DelayOutput(NodeOutput):
    waited_until: str


class Delay(NodeKind[DelayConfig]):
    type = "logic"
    subtype = "delay"
    label = "Delay"
    help = "Waits for a while, or until a moment."
    icon = "timer"
    Config = DelayConfig
    Output = DelayOutput

    async def run(self, config: DelayConfig, context: Context) -> Result | Park:
        now = context.clock.now()
        until = self._until(config, now)
        seconds = (until - now).total_seconds()
        if seconds > LONGEST_SLEEP:
            return Park(WaitingFor("timer", until), until.isoformat())
        if seconds > 0:
            await context.clock.sleep(seconds)
        return _passed(until)

    async def resume(
        self, config: DelayConfig, context: Context, signal_payload: Mapping[str, Any], state: Any
    ) -> Result:
        return _passed(datetime.fromisoformat(state))

    async def dry(self, config: DelayConfig, context: Context) -> Result:
        return _passed(self._until(config, context.clock.now()))

    def _until(self, config: DelayConfig, now: datetime) -> datetime:
        if config.until is not None:
            return config.until if config.until.tzinfo else config.until.replace(tzinfo=UTC)
        return now + timedelta(seconds=config.seconds or 0)


def _passed(until: datetime) -> Result:
    return Result({"waited_until": until.astimezone(UTC).isoformat().replace("+00:00", "Z")})
