from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, field_validator

from engine.context import Context
from engine.nodes.base import Around, NodeKind, Park, Result
from engine.nodes.fields import Expr, NodeConfig, NodeOutput, Text, field
from engine.nodes.schemas import check_schema
from engine.ports import WaitingFor
from engine.shapes import Refined, Shape, described

Seconds = Annotated[float, Field(gt=0, le=366 * 86_400)]


class InputConfig(NodeConfig):
    message: Text = field("Message", "What the person is asked for.", widget="textarea", min_length=1)
    schema_: dict[str, JsonValue] = field(
        "Schema",
        "A JSON Schema of the answer: it draws the form and refuses what does not fit.",
        widget="json",
        verbatim=True,
        alias="schema",
        examples=[{"type": "object", "properties": {"reason": {"type": "string"}}, "required": ["reason"]}],
    )
    timeout_seconds: Expr[Seconds] | None = field(
        "Expires after",
        "Seconds until the run goes on along `expired`; empty: it waits as long as it takes.",
        widget="duration",
        default=None,
    )

    @field_validator("schema_")
    @classmethod
    def _sound(cls, value: dict[str, Any]) -> dict[str, Any]:
        check_schema(value)
        return value


class InputOutput(NodeOutput):
    decision: Literal["submitted", "expired"]
    comment: str | None
    data: JsonValue
    decided_by: str | None


class Input(NodeKind[InputConfig]):
    type = "human"
    subtype = "input"
    label = "Ask a person"
    help = "Waits until a person fills in a form."
    icon = "clipboard-pen"
    instant = True
    handle_names = ("out", "expired")
    Config = InputConfig
    Output = InputOutput

    def handle_of(self, config: InputConfig, output: Any) -> str:
        decision = output.get("decision") if isinstance(output, dict) else None
        return "expired" if decision == "expired" else "out"

    def shape(self, config: InputConfig, around: Around) -> Shape:
        return Refined(super().shape(config, around), {"data": described(config.schema_)})

    async def run(self, config: InputConfig, context: Context) -> Park:
        until = None
        if config.timeout_seconds is not None:
            until = context.clock.now() + timedelta(seconds=config.timeout_seconds)
        return Park(WaitingFor("input", until, {"message": config.message, "schema": config.schema_}))

    async def resume(
        self, config: InputConfig, context: Context, signal_payload: Mapping[str, Any], state: Any
    ) -> Result:
        if signal_payload.get("kind") == "timer":
            return Result(_given("expired"), "expired")
        return Result(_given("submitted", signal_payload))

    async def dry(self, config: InputConfig, context: Context) -> Result:
        return Result({"dry_run": True, **_given("submitted")})


def _given(decision: str, payload: Mapping[str, Any] | None = None) -> dict[str, Any]:
    payload = payload or {}
    return {
        "decision": decision,
        "comment": payload.get("comment"),
        "data": payload.get("data"),
        "decided_by": payload.get("decided_by"),
    }
