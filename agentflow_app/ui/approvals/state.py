"""What waits for this person: to be decided, or to be filled in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import reflex as rx

from agentflow_app.core.errors import ValidationFailed
from agentflow_app.executions.forms import FormField, data_of, fields_of
from agentflow_app.executions.schemas import ApprovalOut, ApproveRequest
from agentflow_app.executions.service import ExecutionService
from agentflow_app.ui.executions.view import as_text, from_text
from agentflow_app.ui.figures import moment
from agentflow_app.ui.forms import problem, read_form, text_of
from agentflow_app.ui.session import PageState, acts, event, id_of, loads
from agentflow_app.ui.shell import Shell

EXECUTION = "agentflow:execution"
STEP = "agentflow:step"
"""The fields of a form that tell whose it is."""


@dataclass
class ApprovalRow:
    execution_id: str = ""
    step_id: str = ""
    agent_name: str = ""
    message: str = ""
    show: Any = None
    has_show: bool = False
    editable: bool = False
    draft: str = ""
    fields: list[FormField] = field(default_factory=list)
    """Of a form; empty where it is a decision that is asked for."""
    since: str = ""
    until: str = ""


class Approvals(PageState, rx.State):
    rows: list[ApprovalRow] = []
    comments: dict[str, str] = {}
    edits: dict[str, str] = {}
    _schemas: dict[str, dict[str, Any]] = {}

    @event
    @loads
    async def load(self) -> None:
        await self._read()

    async def _read(self) -> None:
        shell = await self.get_state(Shell)
        async with self._transaction() as (tx, actor):
            shell._show(actor)
            items = await ExecutionService(tx, actor).approvals()
            self.rows = [_row(item) for item in items]
            self._schemas = {
                str(item.step_id): item.input_schema for item in items if item.input_schema is not None
            }
        shell.waiting = len(self.rows)

    @event
    async def set_comment(self, step_id: str, comment: str) -> None:
        self.comments[str(step_id)] = str(comment)[:2000]

    @event
    async def set_edit(self, step_id: str, text: str) -> None:
        self.edits[str(step_id)] = str(text)

    @event
    @acts
    async def decide(self, execution_id: str, step_id: str, decision: str) -> Any:
        given = {"step_id": step_id, "decision": decision, "comment": self.comments.get(step_id) or None}
        shown = next((row for row in self.rows if row.step_id == step_id), None)
        if shown and shown.editable and decision == "approved" and step_id in self.edits:
            given["data"] = from_text(self.edits[step_id], shown.show)
        request = ApproveRequest.model_validate(given)
        try:
            async with self._transaction() as (tx, actor):
                await ExecutionService(tx, actor).approve(id_of(execution_id), request)
        finally:
            # Also when someone else was quicker: the list then shows what is still open.
            await self._read()
        self.comments.pop(step_id, None)
        self.edits.pop(step_id, None)
        return rx.toast.success("Approved" if decision == "approved" else "Rejected")

    @event
    @acts
    async def answer(self, given: dict[str, Any]) -> Any:
        """Sends a form that was filled in; its schema is the one that was shown, and checked again."""
        execution_id, step_id = text_of(given, EXECUTION), text_of(given, STEP)
        data = data_of(self._schemas.get(step_id, {}), given if isinstance(given, Mapping) else {})
        try:
            request = read_form(ApproveRequest, {"step_id": step_id, "data": data})
            async with self._transaction() as (tx, actor):
                await ExecutionService(tx, actor).approve(id_of(execution_id), request)
        except ValidationFailed as error:
            told = {name.removeprefix("data."): text for name, text in error.details["fields"].items()}
            return rx.toast.error(problem(ValidationFailed(fields=told)))
        finally:
            await self._read()
        return rx.toast.success("Sent")


def _row(item: ApprovalOut) -> ApprovalRow:
    return ApprovalRow(
        execution_id=str(item.execution_id),
        step_id=str(item.step_id),
        agent_name=item.agent_name,
        message=item.message,
        show=item.show,
        has_show=item.show is not None,
        editable=item.editable,
        draft=as_text(item.show),
        since=moment(item.waiting_since),
        until=moment(item.until),
        fields=fields_of(item.input_schema) if item.input_schema is not None else [],
    )
