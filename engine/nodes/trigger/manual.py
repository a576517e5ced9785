from typing import Any

from pydantic import JsonValue, field_validator

from engine.context import Context
from engine.nodes.base import Around, NodeKind, Result
from engine.nodes.fields import NodeConfig, NodeOutput, field
from engine.nodes.schemas import check_schema, check_value
from engine.shapes import ANYTHING, Fields, Shape, described


class ManualConfig(NodeConfig):
    input_schema: dict[str, JsonValue] | None = field(
        "Input schema",
        "A JSON Schema for what comes in: it draws the test form and refuses what does not fit.",
        widget="json",
        default=None,
        verbatim=True,
    )

    @field_validator("input_schema")
    @classmethod
    def _sound(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None:
            check_schema(value)
        return value


class TriggerOutput(NodeOutput):
    data: JsonValue = None


class Manual(NodeKind[ManualConfig]):
    type = "trigger"
    subtype = "manual"
    label = "Manual"
    help = "Starts when somebody presses Run or calls the API."
    icon = "play"
    instant = True
    Config = ManualConfig
    Output = TriggerOutput

    def shape(self, config: ManualConfig, around: Around) -> Shape:
        schema = config.input_schema
        return Fields({"data": ANYTHING if schema is None else described(schema)})

    async def run(self, config: ManualConfig, context: Context) -> Result:
        if config.input_schema is not None:
            check_value(context.trigger.data, config.input_schema)
        return Result({"data": context.trigger.data})
