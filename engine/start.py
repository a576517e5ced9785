"""Where a run begins: the trigger that fired, and what a dry run selects."""

from collections.abc import Set
from typing import Any

from engine.attempt import checked
from engine.context import TriggerInput
from engine.definition import Node
from engine.errors import InvalidConfigError, InvalidDefinitionError
from engine.graph import Graph
from engine.nodes import registry
from engine.settings import DryRun

_FITTING = {"api": "manual", "test": "manual", "replay": "manual"}


def choose_trigger(graph: Graph, trigger: TriggerInput) -> str | None:
    """The id of the trigger node that fired; None where the definition has none, so that all roots begin."""
    triggers = [node for node in graph.nodes.values() if node.type == "trigger"]
    if trigger.node_id is not None:
        if not any(node.id == trigger.node_id for node in triggers):
            raise InvalidDefinitionError(f"There is no trigger node {trigger.node_id!r}")
        return trigger.node_id
    if not triggers:
        return None
    enabled = [node for node in triggers if not node.disabled]
    if not enabled:
        raise InvalidDefinitionError("Every trigger of this agent is disabled")
    wanted = _FITTING.get(trigger.triggered_by, trigger.triggered_by)
    return next((node.id for node in enabled if node.subtype == wanted), enabled[0].id)


def select(graph: Graph, dry: DryRun) -> Set[str]:
    """The nodes that a dry run is about."""
    for node_id in (dry.node, dry.from_node, dry.until_node):
        if node_id is not None and node_id not in graph.nodes:
            raise InvalidDefinitionError(f"There is no node {node_id!r}")
    if dry.node is not None:
        return {dry.node}
    selected = set(graph.nodes)
    if dry.from_node is not None:
        selected &= graph.descendants(dry.from_node) | {dry.from_node}
    if dry.until_node is not None:
        selected &= graph.ancestors(dry.until_node) | {dry.until_node}
    return selected


def pinned_handle(node: Node, output: Any) -> str:
    """The way out that an output stands for which did not come from running the node."""
    kind = registry.kind(node.type, node.subtype)
    if kind is None:
        return "out"
    try:
        return kind.handle_of(checked(kind, node.config, draft=True), output)
    except InvalidConfigError:
        return kind.handle_names[0]
