"""Checks what comes in against the trigger's own schema."""

from typing import Any

from agentflow_app.core.errors import AppError, ValidationFailed
from engine.definition import Definition, Node
from engine.errors import InvalidInputError
from engine.nodes.schemas import problems_of

_FITTING = {
    "api": ("manual",),
    "test": ("manual",),
    "agent": ("agent", "manual"),
    "error": ("error", "manual"),
}
_IMPLIED = frozenset({"manual", "api", "test", "replay", "agent", "error"})
"""What also starts a graph that has no fitting trigger, or none at all."""


class NoSuchTrigger(AppError):  # noqa: N818
    code = "NO_SUCH_TRIGGER"
    status = 422


def trigger_node(definition: Definition, triggered_by: str, node_id: str | None = None) -> Node | None:
    """The trigger node that fires; None is the implied manual one. Raises NoSuchTrigger."""
    triggers = [node for node in definition.triggers() if not node.disabled and node_id in (None, node.id)]
    for subtype in _FITTING.get(triggered_by, (triggered_by,)):
        found = next((node for node in triggers if node.subtype == subtype), None)
        if found:
            return found
    if triggered_by in _IMPLIED:
        return triggers[0] if triggers else None
    raise NoSuchTrigger(f"This agent has no {triggered_by} trigger")


def check_input(node: Node | None, data: Any) -> None:
    """Raises ValidationFailed, naming each field that the trigger's `input_schema` refuses."""
    schema = node.config.get("input_schema") if node else None
    if isinstance(schema, dict):
        check_fit(schema, data, "trigger_data", "The trigger data does not fit the agent's input schema")


def check_fit(schema: dict[str, Any], data: Any, name: str, refusal: str) -> None:
    """Raises ValidationFailed with `refusal`, naming each field of `name` that does not fit."""
    try:
        problems = problems_of(data, schema)
    except InvalidInputError as error:
        raise ValidationFailed(error.message, fields={name: error.message}) from error
    if problems:
        fields = {
            name + (f".{problem['path'].replace('/', '.')}" if problem["path"] else ""): problem["message"]
            for problem in problems
        }
        raise ValidationFailed(refusal, fields=fields)
