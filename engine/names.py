"""Which secrets and variables a graph names."""

from collections.abc import Iterator
from typing import Any

from engine.definition import Definition, Node
from engine.errors import ExpressionError
from engine.expressions import Reference, references
from engine.nodes import registry
from engine.nodes.base import NodeKind

SECRET_TYPES = frozenset({"action", "trigger"})
"""The types of nodes in whose configs `{{ secrets.NAME }}` may stand."""


def secret_names(node: Node, kind: NodeKind[Any]) -> frozenset[str]:
    """What the node names of the secrets. Raises ExpressionError where it is not by a fixed name."""
    found = set()
    for reference in _in_node(node, kind, "secrets"):
        name = secret_name(reference)
        if name is None:
            raise ExpressionError("a secret is named directly, like secrets.NAME")
        found.add(name)
    return frozenset(found)


def secret_name(reference: Reference) -> str | None:
    return reference.keys[0] if reference.keys and isinstance(reference.keys[0], str) else None


def variable_names(definition: Definition) -> frozenset[str] | None:
    """The variables that a graph names; None where it may be any of them."""
    found: set[str] = set()
    for reference in _everywhere(definition, "vars"):
        if not reference.keys:
            return None
        found.add(str(reference.keys[0]))
    return frozenset(found)


def _everywhere(definition: Definition, root: str) -> Iterator[Reference]:
    for node in definition.nodes:
        kind = registry.kind(node.type, node.subtype)
        if kind is not None:
            yield from _in_node(node, kind, root)
    for edge in definition.edges:
        if edge.condition and root in edge.condition:
            yield from _rooted(edge.condition, root, condition=True)


def _in_node(node: Node, kind: NodeKind[Any], root: str) -> Iterator[Reference]:
    for field, value in node.config.items():
        mode = kind.modes.get(field, "render")
        if mode != "verbatim":
            for text in _texts(value):
                if root in text:
                    yield from _rooted(text, root, condition=mode == "condition")


def _rooted(text: str, root: str, *, condition: bool) -> Iterator[Reference]:
    try:
        found = references(text, condition=condition)
    except ExpressionError:
        return  # it fails with its own reason where it is rendered
    yield from (reference for reference in found if reference.root == root)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
