from typing import Annotated, Any

from pydantic import Field, field_validator

from engine.context import Context
from engine.expressions import to_text
from engine.nodes.base import NodeKind, Result
from engine.nodes.fields import Json, NodeConfig, NodeOutput, field

Case = Annotated[str, Field(min_length=1, max_length=200)]


class SwitchConfig(NodeConfig):
    value: Json = field("Value", "What is compared with the cases, as text.", widget="expression")
    cases: list[Case] = field(
        "Cases",
        "Each is a way out; what fits none leaves by `default`.",
        widget="cases",
        verbatim=True,
        min_length=1,
        max_length=50,
    )

    @field_validator("cases")
    @classmethod
    def _distinct(cls, cases: list[str]) -> list[str]:
        if len(set(cases)) < len(cases):
            raise ValueError("each case may be there once")
        if "default" in cases:
            raise ValueError("`default` is there anyway; give the case another name")
        return cases


class SwitchOutput(NodeOutput):
    branch: str
    value: Json


class Switch(NodeKind[SwitchConfig]):
    type = "logic"
    subtype = "switch"
    label = "Switch"
    help = "Takes one of several ways, by a value."
    icon = "waypoints"
    instant = True
    handle_names = ("default",)
    handles_from = "cases"
    Config = SwitchConfig
    Output = SwitchOutput

    def handle_of(self, config: SwitchConfig, output: Any) -> str:
        branch = output.get("branch") if isinstance(output, dict) else output
        return branch if branch in config.cases else "default"

    async def run(self, config: SwitchConfig, context: Context) -> Result:
        text = to_text(config.value)
        branch = text if text in config.cases else "default"
        return Result({"branch": branch, "value": config.value}, branch)
