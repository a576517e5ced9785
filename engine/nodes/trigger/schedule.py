from typing import Any, Literal

from pydantic import JsonValue, field_validator, model_validator

from engine.context import Context
from engine.nodes.base import NodeKind, Result
from engine.nodes.fields import NodeConfig, NodeOutput, field
from engine.schedule import MAX_SECONDS, MIN_SECONDS, Schedule, check_cron, schedule_of, zone_of


class ScheduleConfig(NodeConfig):
    cron: str | None = field(
        "Cron expression",
        "Minute, hour, day of month, month, day of week: 0 9 * * MON-FRI is at nine on weekdays.",
        widget="text",
        default=None,
        verbatim=True,
    )
    every_seconds: int | None = field(
        "Or every … seconds",
        "Instead of a cron expression; counted from 1970, so 3600 is on the hour.",
        widget="number",
        default=None,
        verbatim=True,
        ge=MIN_SECONDS,
        le=MAX_SECONDS,
    )
    timezone: str | None = field(
        "Time zone",
        "Whose clock the cron expression is about, like Europe/Berlin; UTC if empty.",
        widget="text",
        default=None,
        verbatim=True,
    )
    missed: Literal["skip", "run_once"] = field(
        "Missed runs",
        "After a time when nothing could run: skip what was missed, or run once for all of it.",
        widget="select",
        default="skip",
        verbatim=True,
    )

    @field_validator("cron", "timezone", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return (value.strip() or None) if isinstance(value, str) else value

    @field_validator("cron")
    @classmethod
    def _expression(cls, value: str | None) -> str | None:
        if value is not None:
            check_cron(value)
        return value

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None:
            zone_of(value)
        return value

    @model_validator(mode="after")
    def _one_of_both(self) -> "ScheduleConfig":
        self.schedule()
        return self

    def schedule(self) -> Schedule:
        return schedule_of(self.cron, self.every_seconds, self.timezone)


class ScheduleOutput(NodeOutput):
    data: JsonValue = None


class ScheduleTrigger(NodeKind[ScheduleConfig]):
    type = "trigger"
    subtype = "schedule"
    label = "Schedule"
    help = "Starts at the times of a cron expression, or every so many seconds."
    icon = "calendar-clock"
    instant = True
    Config = ScheduleConfig
    Output = ScheduleOutput

    async def run(self, config: ScheduleConfig, context: Context) -> Result:
        return Result({"data": context.trigger.data})
