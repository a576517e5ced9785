"""Which paths a text uses, and how to rename a node in it."""

import re
from dataclasses import dataclass

from jinja2 import nodes

from engine.errors import ExpressionError
from engine.expressions.compiler import path_of
from engine.expressions.syntax import CONSTANTS, has_expression, in_braces, parse, parse_condition, tokens
from engine.expressions.values import Key, path_text


@dataclass(frozen=True, slots=True)
class Reference:
    """A path as far as it is fixed: `node_a.output.items[trigger.data.n]` uses `node_a.output.items`."""

    root: str
    keys: tuple[Key, ...]

    @property
    def node_id(self) -> str | None:
        return self.root.removeprefix("node_") if self.root.startswith("node_") else None

    def __str__(self) -> str:
        return path_text(self.root, self.keys)


def references(text: str, *, condition: bool = False) -> list[Reference]:
    """Raises ExpressionError where the text cannot be parsed."""
    if condition:
        tree: nodes.Node = parse_condition(text)
    elif has_expression(text):
        tree = parse(text)
    else:
        return []
    found: dict[Reference, None] = {}
    _collect(tree, found)
    # A name that the template itself sets is no path into the data.
    own = {name.name for name in tree.find_all(nodes.Name) if name.ctx in ("store", "param")}
    if any(True for _ in tree.find_all(nodes.For)):
        own.add("loop")
    functions = {call.node.name for call in tree.find_all(nodes.Call) if isinstance(call.node, nodes.Name)}
    return [each for each in found if each.root not in own | functions | set(CONSTANTS)]


def _collect(node: nodes.Node, found: dict[Reference, None]) -> None:
    path = path_of(node)
    if path is not None:
        found.setdefault(Reference(*path))
        return
    for child in node.iter_child_nodes():
        _collect(child, found)


def rename(text: str, old: str, new: str, *, condition: bool = False) -> str:
    """The text with every `node_<old>` in its expressions turned into `node_<new>`, even in a broken one."""
    name = f"node_{old}"
    if name not in text or not (condition or has_expression(text)):
        return text
    bare = condition and not text.strip().startswith("{{")
    source = in_braces(text) if bare else text
    try:
        renamed = _renamed(source, name, f"node_{new}")
    except ExpressionError:
        # Somebody is in the middle of writing it; what looks like a reference is meant to be one.
        return re.sub(rf"(?<![\w.]){name}(?!\w)", f"node_{new}", text)
    return renamed[3:-3] if bare else renamed


def _renamed(source: str, name: str, new: str) -> str:
    parts: list[str] = []
    before = ""
    for kind, value in tokens(source):
        replaced = kind == "name" and value == name and before != "."
        parts.append(new if replaced else value)
        if kind != "whitespace":
            before = value
    return "".join(parts)
