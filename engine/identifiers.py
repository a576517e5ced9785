"""Node ids: how they look, and how to rename one together with everything that uses it."""

import re
from typing import Any

from engine.definition import Definition, Edge, Group, Node
from engine.expressions import rename
from engine.nodes import registry

ID_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,62}")


def rename_node(definition: Definition, old: str, new: str) -> Definition:
    """The definition with the node's id changed in nodes, edges, groups and every expression.

    Raises ValueError where `new` is no id or taken.
    """
    if not ID_PATTERN.fullmatch(new):
        raise ValueError(f"{new!r} is no id: lower-case letters, digits and _, beginning with a letter")
    if old != new and definition.node(new) is not None:
        raise ValueError(f"there is a node {new!r} already")

    def renamed(node_id: str) -> str:
        return new if node_id == old else node_id

    def node(each: Node) -> Node:
        return each.model_copy(update={"id": renamed(each.id), "config": _config(each, old, new)})

    def edge(each: Edge) -> Edge:
        update: dict[str, Any] = {"source": renamed(each.source), "target": renamed(each.target)}
        if each.condition is not None:
            update["condition"] = rename(each.condition, old, new, condition=True)
        return each.model_copy(update=update)

    def group(each: Group) -> Group:
        return each.model_copy(update={"nodes": [renamed(node_id) for node_id in each.nodes]})

    return definition.model_copy(
        update={
            "nodes": [node(each) for each in definition.nodes],
            "edges": [edge(each) for each in definition.edges],
            "groups": [group(each) for each in definition.groups],
        }
    )


def _config(node: Node, old: str, new: str) -> dict[str, Any]:
    kind = registry.kind(node.type, node.subtype)
    found: dict[str, Any] = {}
    for field, value in node.config.items():
        mode = kind.modes.get(field, "render") if kind is not None else "render"
        if mode == "verbatim":
            found[field] = value
        else:
            found[field] = _renamed(value, old, new, condition=mode == "condition")
    return found


def _renamed(value: Any, old: str, new: str, *, condition: bool) -> Any:
    if isinstance(value, str):
        return rename(value, old, new, condition=condition)
    if isinstance(value, dict):
        return {key: _renamed(item, old, new, condition=condition) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, old, new, condition=condition) for item in value]
    return value
