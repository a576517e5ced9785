"""Checks what comes in against the trigger's own schema."""

from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from agentflow_app.core.errors import AppError, ValidationFailed
from engine.definition import Definition, Node

_FITTING = {"manual": ("manual",), "api": ("manual",), "test": ("manual",), "webhook": ("webhook",)}


class NoSuchTrigger(AppError):  # noqa: N818
    code = "NO_SUCH_TRIGGER"
    status = 422


def trigger_node(definition: Definition, triggered_by: str) -> Node | None:
    """The trigger node that fires; None is the implied manual one. Raises NoSuchTrigger."""
    triggers = [node for node in definition.triggers() if not node.disabled]
    for subtype in _FITTING.get(triggered_by, (triggered_by,)):
        found = next((node for node in triggers if node.subtype == subtype), None)
        if found:
            return found
    if triggered_by in ("manual", "api", "test", "replay"):
        return triggers[0] if triggers else None
    raise NoSuchTrigger(f"This agent has no {triggered_by} trigger")


def check_input(node: Node | None, data: Any) -> None:
    """Raises ValidationFailed, naming each field that the trigger's `input_schema` refuses."""
    schema = node.config.get("input_schema") if node else None
    if not isinstance(schema, dict):
        return
    try:
        errors = list(Draft202012Validator(schema).iter_errors(data))
    except SchemaError as error:
        raise ValidationFailed(fields={"trigger_data": f"its schema is broken: {error.message}"}) from error
    if errors:
        fields = {
            ".".join(["trigger_data", *(str(part) for part in error.absolute_path)]): error.message[:300]
            for error in errors[:20]
        }
        raise ValidationFailed("The trigger data does not fit the agent's input schema", fields=fields)
