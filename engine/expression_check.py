"""What is wrong with the expressions of a definition: their syntax, and the names that they use."""

from collections.abc import Iterator

from engine.errors import ExpressionError
from engine.expressions import (
    Reference,
    compile_condition,
    compile_template,
    has_expression,
    is_only_put_out,
    references,
)
from engine.graph import Graph
from engine.names import ONLY_IN_PLACE, secret_name
from engine.outputs import Outputs
from engine.problems import KnownNames, Problem
from engine.shapes import Absent, under
from engine.visibility import Visible

ROOTS = frozenset({"trigger", "execution", "vars", "secrets", "item", "loop"})
IN_LOOPS = frozenset({"item", "loop"})
MAX_EXPRESSIONS = 3000
"""Compiling so many takes about a second."""


class ExpressionCheck:
    """`outputs` tells the fields, `names` what the organization has."""

    def __init__(self, graph: Graph, outputs: Outputs, names: KnownNames | None) -> None:
        self._graph = graph
        self._outputs = outputs
        self._names = names
        self._count = 0

    def problems(
        self, text: str, visible: Visible, *, condition: bool, secrets: bool = False
    ) -> Iterator[Problem]:
        """`secrets`: whether they may be used here."""
        if not condition and not has_expression(text):
            return
        self._count += 1
        if self._count > MAX_EXPRESSIONS:
            if self._count == MAX_EXPRESSIONS + 1:
                yield Problem("BAD_EXPRESSION", f"These are more than {MAX_EXPRESSIONS} expressions.")
            return
        try:
            if condition:
                compile_condition(text)
            else:
                compile_template(text)
            found = references(text, condition=condition)
        except ExpressionError as error:
            yield Problem("BAD_EXPRESSION", f"This expression does not work: {error.message}.")
            return
        named = [reference for reference in found if reference.root == "secrets"]
        if named and secrets and not is_only_put_out(text, "secrets", condition=condition):
            yield Problem("SECRET_NOT_ALLOWED", f"Here {ONLY_IN_PLACE}.")
        for reference in found:
            if reference.root == "secrets":
                yield from self._secret(reference, allowed=secrets)
            elif reference.node_id is not None:
                yield from self._node(reference, reference.node_id, visible)
            else:
                yield from self._root(reference, visible)

    def _secret(self, reference: Reference, *, allowed: bool) -> Iterator[Problem]:
        name = secret_name(reference)
        if not allowed:
            yield Problem(
                "SECRET_NOT_ALLOWED",
                f"{reference}: secrets can be used in the settings of actions and triggers only,"
                " and not in what another agent or code is given.",
            )
        elif name is None:
            yield Problem("SECRET_NOT_ALLOWED", "A secret is named directly, like secrets.NAME.")
        elif self._names is not None and name not in self._names.secrets:
            yield Problem(
                "UNKNOWN_SECRET",
                f"There is no secret {name}; add it in the settings, under Secrets & variables.",
                severity="warning",
            )

    def _root(self, reference: Reference, visible: Visible) -> Iterator[Problem]:
        root = reference.root
        if root not in ROOTS:
            yield Problem(
                "UNKNOWN_REFERENCE",
                f"{reference}: there is no {root!r}; there is trigger, execution, vars,"
                " secrets, node_<id>, and in a loop item and loop.",
            )
        elif root in IN_LOOPS and not self._is_there(root, visible):
            yield Problem(
                "UNKNOWN_REFERENCE",
                f"{reference}: {root!r} is there only in the body of a loop"
                + (" over items." if root == "item" else "."),
            )
        elif root == "vars":
            name = str(reference.keys[0]) if reference.keys else None
            if self._names is not None and name is not None and name not in self._names.variables:
                yield Problem(
                    "UNKNOWN_VARIABLE",
                    f"There is no variable {name}; add it in the settings, under Secrets & variables.",
                    severity="warning",
                )
        else:
            yield from self._fields(reference, visible)

    def _is_there(self, root: str, visible: Visible) -> bool:
        return bool(visible.loops) if root == "loop" else self._graph.item_of(visible.loops) is not None

    def _node(self, reference: Reference, node_id: str, visible: Visible) -> Iterator[Problem]:
        if node_id not in self._graph.nodes:
            yield Problem(
                "UNKNOWN_REFERENCE",
                f"{reference}: there is no node {node_id!r}; choose one that comes before this one.",
            )
        elif node_id not in visible.nodes:
            yield Problem("UNKNOWN_REFERENCE", f"{reference}: {self._why_unseen(node_id, visible)}")
        elif reference.keys and reference.keys[0] != "output":
            yield Problem(
                "UNKNOWN_REFERENCE",
                f"{reference}: of a node only its output can be used, like node_{node_id}.output.",
            )
        else:
            yield from self._fields(reference, visible)

    def _why_unseen(self, node_id: str, visible: Visible) -> str:
        name = self._graph.nodes[node_id].name
        if node_id in visible.loops:
            return f"{name} has no output yet in its own body; use item, loop.index or loop.index0."
        around = [loop for loop in self._graph.regions.around(node_id) if loop not in visible.loops]
        if around:
            outer = around[-1]
            return (
                f"{name} is in the body of a loop, so it has an output for each item; "
                f"use node_{outer}.output.results after the loop."
            )
        return f"{name} does not come before this node, so its output is not there yet."

    def _fields(self, reference: Reference, visible: Visible) -> Iterator[Problem]:
        found, keys = under(self._outputs.named(reference.root, visible), reference.keys)
        if isinstance(found, Absent):
            yield Problem(
                "UNKNOWN_FIELD",
                f"{reference}: {keys[-1]!r} is not known there; {found.why}.",
                severity="warning",
            )
