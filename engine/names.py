"""Which secrets and variables a graph names."""

from collections.abc import Iterator
from typing import Any

from engine.definition import Definition, Node
from engine.errors import ExpressionError
from engine.expressions import Reference, is_only_put_out, references
from engine.nodes import registry
from engine.nodes.base import SECRET_TYPES, NodeKind

ONLY_IN_PLACE = "a secret can only be put in place, like {{ secrets.NAME }}, without filters or operators"


def takes_secrets(kind: NodeKind[Any]) -> bool:
    """Whether `{{ secrets.NAME }}` may stand in its configs."""
    return kind.type in SECRET_TYPES and not kind.hands_on


def secret_names(node: Node, kind: NodeKind[Any]) -> frozenset[str]:
    """What the node names of the secrets.

    Raises ExpressionError where it is not by a fixed name, or where something is done with the value: what
    was turned round or cut up could no longer be recognised and masked.
    """
    found: set[str] = set()
    if not _mentions(node.config, "secrets"):
        return frozenset()
    for text, condition in _rendered(node, kind):
        for reference in _rooted(text, "secrets", condition=condition):
            name = secret_name(reference)
            if name is None:
                raise ExpressionError("a secret is named directly, like secrets.NAME")
            if not is_only_put_out(text, "secrets", condition=condition):
                raise ExpressionError(ONLY_IN_PLACE)
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
        if edge.condition:
            yield from _rooted(edge.condition, root, condition=True)


def _in_node(node: Node, kind: NodeKind[Any], root: str) -> Iterator[Reference]:
    for text, condition in _rendered(node, kind):
        yield from _rooted(text, root, condition=condition)


def _rendered(node: Node, kind: NodeKind[Any]) -> Iterator[tuple[str, bool]]:
    """The texts of a config that are expressions, and whether each is a condition."""
    for field, value in node.config.items():
        mode = kind.modes.get(field, "render")
        if mode != "verbatim":
            for text in _texts(value):
                yield text, mode == "condition"


def _rooted(text: str, root: str, *, condition: bool) -> Iterator[Reference]:
    if root not in text:
        return
    try:
        found = references(text, condition=condition)
    except ExpressionError:
        return  # it fails with its own reason where it is rendered
    yield from (reference for reference in found if reference.root == root)


def _mentions(value: Any, word: str) -> bool:
    if isinstance(value, str):
        return word in value
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            if _mentions(item, word):
                return True
    return False


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
