from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from engine.context import Context
from engine.nodes.base import NodeKind, Park, Result
from engine.nodes.fields import Expr, Json, NodeConfig, NodeOutput, Text, field
from engine.ports import WaitingFor

Seconds = Annotated[float, Field(gt=0, le=366 * 86_400)]


class ApprovalConfig(NodeConfig):
    message: Text = field("Message", "What the approver is asked.", widget="textarea", min_length=1)
    approvers: Expr[list[Text]] = field(
        "Approvers",
        "Members or roles who may decide; empty: any editor.",
        widget="list",
        default=[],
    )
    timeout_seconds: Expr[Seconds] | None = field(
        "Expires after",
        "Seconds until the run goes on along `expired`; empty: it waits as long as it takes.",
        widget="duration",
        default=None,
    )
    show: Json = field("Show", "The data to review.", widget="json", default=None)
    editable: bool = field(
        "Editable",
        "The approver may change the shown data; the changed data is in the output.",
        widget="switch",
        default=False,
        verbatim=True,
    )


class ApprovalOutput(NodeOutput):
    decision: Literal["approved", "rejected", "expired"]
    comment: str | None
    data: Json
    decided_by: str | None


class Approval(NodeKind[ApprovalConfig]):
    type = "human"
    subtype = "approval"
    label = "Approval"
    help = "Waits until a person approves or rejects."
    icon = "user-check"
    instant = True
    handle_names = ("approved", "rejected", "expired")
    Config = ApprovalConfig
    Output = ApprovalOutput

    def handle_of(self, config: ApprovalConfig, output: Any) -> str:
        decision = output.get("decision") if isinstance(output, dict) else None
        return decision if decision in self.handle_names else "approved"

    async def run(self, config: ApprovalConfig, context: Context) -> Park:
        until = None
        if config.timeout_seconds is not None:
            until = context.clock.now() + timedelta(seconds=config.timeout_seconds)
        details = {
            "message": config.message,
            "approvers": config.approvers,
            "show": config.show,
            "editable": config.editable,
        }
        return Park(WaitingFor("approval", until, details))

    async def resume(
        self, config: ApprovalConfig, context: Context, signal_payload: Mapping[str, Any], state: Any
    ) -> Result:
        if signal_payload.get("kind") == "timer":
            return _decided("expired", data=config.show)
        edited = signal_payload.get("data") if config.editable else None
        return _decided(
            signal_payload["decision"],
            comment=signal_payload.get("comment"),
            data=config.show if edited is None else edited,
            decided_by=signal_payload.get("decided_by"),
        )

    async def dry(self, config: ApprovalConfig, context: Context) -> Result:
        return _decided("approved", data=config.show)


def _decided(
    decision: str, *, comment: str | None = None, data: Any = None, decided_by: str | None = None
) -> Result:
    output = {"decision": decision, "comment": comment, "data": data, "decided_by": decided_by}
    return Result(output, decision)
