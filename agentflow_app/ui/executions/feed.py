"""A run as it goes on: the steps that were read, and each event put on top of them."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from agentflow_app.executions.schemas import StepOut
from agentflow_app.ui.executions.view import NodeNames, StepRow, is_demo, main_text, node_run, step_rows

_STATUS = {
    "step.started": "running",
    "step.completed": "completed",
    "step.failed": "failed",
    "step.skipped": "skipped",
    "step.cancelled": "cancelled",
    "step.retrying": "retrying",
    "step.uncertain": "uncertain",
    "step.waiting": "waiting",
    "step.waiting_approval": "waiting_approval",
}
_DONE = {"completed", "failed", "skipped", "cancelled"}
_EXECUTION = {
    "execution.started": "running",
    "execution.resumed": "running",
    "execution.waiting": "waiting",
    "execution.completed": "completed",
    "execution.failed": "failed",
    "execution.cancelled": "cancelled",
}
ENDS = {"execution.completed", "execution.failed", "execution.cancelled"}


class RunFeed:
    """Lives as long as someone watches; never stored."""

    def __init__(self, steps: list[StepOut], names: NodeNames) -> None:
        self._steps = {str(step.id): step for step in steps}
        self._names = names
        self._streamed: dict[str, str] = {}
        self.status = ""
        self.ended = False

    def apply(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind in _EXECUTION:
            self.status = _EXECUTION[kind]
            self.ended = kind in ENDS
        elif kind == "step.token":
            node_id = event["node_id"]
            self._streamed[node_id] = (self._streamed.get(node_id, "") + event.get("text", ""))[-2000:]
        elif kind in _STATUS:
            self._step(event, _STATUS[kind])

    def _step(self, event: dict[str, Any], status: str) -> None:
        step_id = event["step_id"]
        known = self._steps.get(step_id)
        at = datetime.fromisoformat(event["timestamp"])
        if known is None:
            known = StepOut(
                id=UUID(step_id),
                node_id=event["node_id"],
                iteration=list(event.get("iteration") or []),
                step_order=len(self._steps),
                status=status,
                input_data=None,
                output_data=None,
                error=None,
                waiting_for=None,
                tokens_used=0,
                cost=Decimal(0),
                duration_ms=None,
                attempts=1,
                started_at=None,
                completed_at=None,
            )
        elif known.status in _DONE and known.completed_at and at < known.completed_at:
            return  # a stored event from before what was read
        change: dict[str, Any] = {"status": status}
        if status == "running":
            change |= {"started_at": known.started_at or at, "attempts": event.get("attempt", 1)}
        if status in _DONE:
            change |= {
                "completed_at": at,
                "output_data": event.get("output", known.output_data),
                "output_ref": event.get("output_ref", known.output_ref),
                "tokens_used": event.get("tokens_used", known.tokens_used),
                "cost": Decimal(event.get("cost") or known.cost),
                "duration_ms": event.get("duration_ms", known.duration_ms),
            }
        for name in ("error", "waiting_for"):
            if event.get(name):
                change[name] = event[name]
        self._steps[step_id] = known.model_copy(update=change)

    def step(self, step_id: str) -> StepOut | None:
        return self._steps.get(step_id)

    def rows(self) -> list[StepRow]:
        return step_rows(list(self._steps.values()), self._names)

    def statuses(self) -> dict[str, dict[str, Any]]:
        """By node id; of a node that ran several times its last step."""
        found: dict[str, dict[str, Any]] = {}
        for step in sorted(self._steps.values(), key=lambda s: (s.step_order, s.iteration)):
            live = step.status in ("running", "retrying")
            text = self._streamed.get(step.node_id, "") if live else ""
            found[step.node_id] = node_run(
                step.status,
                ms=step.duration_ms,
                used=step.tokens_used,
                spent=step.cost,
                text=text or (step.error or {}).get("message", "") or main_text(step.output_data),
                demo=is_demo(step.output_data),
            )
        return found
