"""Which paths a text uses, and how to rename a node in it."""

from collections.abc import Iterable, Iterator
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


def is_only_put_out(text: str, root: str, *, condition: bool = False) -> bool:
    """Whether the text does nothing with `root.…` but put it in place: no filter, operator, name or test.

    Raises ExpressionError where the text cannot be parsed.
    """
    if condition:
        return all(each.root != root for each in references(text, condition=True))
    return not has_expression(text) or _only_put_out(parse(text).body, root)


def _only_put_out(body: Iterable[nodes.Node], root: str) -> bool:
    for node in body:
        if isinstance(node, nodes.Output):
            if any(_names(each, root) and not _is_whole(each, root) for each in node.nodes):
                return False
        elif isinstance(node, nodes.If | nodes.For):
            parts = (node.body, node.else_, node.elif_ if isinstance(node, nodes.If) else [])
            head = node.test if isinstance(node, nodes.If) else node.iter
            if _names(head, root) or (isinstance(node, nodes.For) and node.test and _names(node.test, root)):
                return False
            if not all(_only_put_out(part, root) for part in parts):
                return False
        elif _names(node, root):
            return False
    return True


def _is_whole(node: nodes.Node, root: str) -> bool:
    path = path_of(node)
    return path is not None and path[0] == root and len(path[1]) == 1


def _names(node: nodes.Node, root: str) -> bool:
    if isinstance(node, nodes.Name):
        return node.name == root
    return any(name.name == root for name in node.find_all(nodes.Name))


def _collect(node: nodes.Node, found: dict[Reference, None]) -> None:
    path = path_of(node)
    if path is not None:
        found.setdefault(Reference(*path))
        return
    for child in node.iter_child_nodes():
        _collect(child, found)


def rename(text: str, old: str, new: str, *, condition: bool = False) -> str:
    """The text with every `node_<old>` in its expressions turned into `node_<new>`, and else as it was.

    A text that somebody is still writing is changed as far as it can be read.
    """
    name = f"node_{old}"
    if name not in text or not (condition or has_expression(text)) or name in _own_names(text, condition):
        return text
    bare = condition and not text.strip().startswith("{{")
    found: list[str] = []
    end = 0
    for start in _uses(f"{{{{{text}" if bare else text, name):
        at = start - 2 if bare else start
        found += [text[end:at], f"node_{new}"]
        end = at + len(name)
    return "".join(found) + text[end:]


def _own_names(text: str, condition: bool) -> set[str]:
    try:
        tree = parse(in_braces(text) if condition else text)
    except ExpressionError:
        return set()
    return {name.name for name in tree.find_all(nodes.Name) if name.ctx in ("store", "param")}


def _uses(source: str, name: str) -> Iterator[int]:
    """Where the name stands for a value: not as a field, and not as the name of an argument."""
    before, candidate = "", None
    for start, kind, value in tokens(source):
        if kind == "whitespace":
            continue
        if candidate is not None and value != "=":
            yield candidate
        candidate = start if kind == "name" and value == name and before != "." else None
        before = value
    if candidate is not None:
        yield candidate
