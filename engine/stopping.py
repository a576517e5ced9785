"""The steps that speak for the whole execution: what it answers, and what ends it before its time."""

from collections.abc import Mapping
from typing import Any

from engine.events import error_json
from engine.step import Step


class Said:
    """The first answer that was reached, and the step that stopped the execution."""

    def __init__(self) -> None:
        self._answer: Step | None = None
        self.stopped: Step | None = None

    def note(self, step: Step) -> None:
        """A step has ended."""
        if step.status != "completed" or step.kind is None:
            return
        if step.kind.answers and (self._answer is None or step.order < self._answer.order):
            self._answer = step
        if step.kind.ends:
            self.stopped = self.stopped or step

    @property
    def speaks(self) -> bool:
        return self._answer is not None or self.stopped is not None

    @property
    def output(self) -> Any:
        """What the execution comes to by it."""
        step = self._answer or self.stopped
        return step.output if step is not None else None


def stop_error(step: Step) -> Mapping[str, Any] | None:
    """The error of the execution that this step stopped; None where it has completed."""
    said = step.output if isinstance(step.output, dict) else {}
    if said.get("status") != "failed":
        return None
    message = said.get("message") or f"{step.node.name} stopped the run"
    return error_json("STOPPED", str(message), step.node.id, {})
