from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

from pydantic import JsonValue

from engine.context import Context
from engine.errors import AgentFailedError, WaitExpiredError
from engine.nodes.base import NodeKind, Park, Result
from engine.nodes.fields import Expr, NodeConfig, NodeOutput, field
from engine.ports import AgentCall, Usage, WaitingFor


class RunAgentConfig(NodeConfig):
    agent_id: str = field(
        "Agent",
        "Its published version is run, the newest at that moment.",
        widget="agent",
        verbatim=True,
        min_length=1,
    )
    input: JsonValue = field("Input", "What the agent sees as its trigger data.", widget="json", default={})
    wait: Expr[bool] = field(
        "Wait for it",
        "Off: this goes on at once, and the other run goes its own way.",
        widget="switch",
        default=True,
    )


class RunAgentOutput(NodeOutput):
    """`output` is what the run came to; `started` is the status of one that is not waited for.

    `tokens_used` and `cost` (USD) are of that run, which they are billed with.
    """

    execution_id: str
    status: Literal["completed", "started"]
    output: JsonValue
    tokens_used: int
    cost: str


class RunAgent(NodeKind[RunAgentConfig]):
    type = "action"
    subtype = "run_agent"
    label = "Run an agent"
    help = "Runs another agent as one step, and goes on with what it comes to."
    icon = "bot"
    side_effect = True
    spends = True
    hands_on = True
    timeout_seconds = 60
    Config = RunAgentConfig
    Output = RunAgentOutput

    async def run(self, config: RunAgentConfig, context: Context) -> Result | Park:
        called = await context.agents.start(
            AgentCall(
                config.agent_id,
                context.without_secrets(config.input),
                context.idempotency_key,
                context.step_id,
                context.node_id,
                config.wait,
                context.budget if config.wait else None,
            )
        )
        if not config.wait:
            return Result(_output(called.execution_id, "started"))
        if called.ended is not None:
            return _ended(called.execution_id, called.ended, context)
        until = None
        if context.timeout_seconds is not None:
            until = context.clock.now() + timedelta(seconds=context.timeout_seconds)
        told = {"execution_id": called.execution_id, "agent_id": config.agent_id}
        return Park(WaitingFor("child", until, told), {"execution_id": called.execution_id})

    async def resume(
        self, config: RunAgentConfig, context: Context, signal_payload: Mapping[str, Any], state: Any
    ) -> Result:
        execution_id = str(state["execution_id"])
        if signal_payload.get("kind") == "timer":
            await context.agents.cancel(execution_id)
            raise WaitExpiredError(
                "The agent took longer than this step may; its run is cancelled",
                details={"execution_id": execution_id, "timeout_seconds": context.timeout_seconds},
            )
        return _ended(execution_id, signal_payload, context)


def _ended(execution_id: str, told: Mapping[str, Any], context: Context) -> Result:
    """Raises AgentFailedError unless the run completed."""
    cost, tokens = str(told.get("cost") or "0"), int(told.get("tokens") or 0)
    context.spend(Usage(delegated=Decimal(cost)))
    if told.get("status") == "completed":
        return Result(_output(execution_id, "completed", told.get("output"), tokens, cost))
    error = told.get("error") or {}
    reason = error.get("message") or "it was cancelled"
    raise AgentFailedError(
        f"The agent did not complete: {reason}",
        details={"execution_id": execution_id, "status": told.get("status"), "error": error or None},
    )


def _output(
    execution_id: str, status: str, output: Any = None, tokens: int = 0, cost: str = "0"
) -> dict[str, Any]:
    return {
        "execution_id": execution_id,
        "status": status,
        "output": output,
        "tokens_used": tokens,
        "cost": cost,
    }
