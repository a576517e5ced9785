"""What is wrong with the expressions of a definition: their syntax, and the names that they use."""

from collections.abc import Iterator, Mapping
from typing import Any

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
from engine.nodes.base import NodeKind
from engine.problems import KnownNames, Problem
from engine.visibility import Visible

FIELDS = {
    "trigger": ("data", "headers", "query", "method"),
    "execution": ("id", "triggered_by", "dry_run"),
    "loop": ("index", "index0"),
}
ROOTS = frozenset({*FIELDS, "vars", "secrets", "item"})
IN_LOOPS = frozenset({"item", "loop"})
MAX_EXPRESSIONS = 3000
"""Compiling so many takes about a second."""


class ExpressionCheck:
    """`kinds` and `configs` are those of the nodes whose configs are sound."""

    def __init__(
        self,
        graph: Graph,
        kinds: Mapping[str, NodeKind[Any]],
        configs: Mapping[str, Any],
        names: KnownNames | None,
    ) -> None:
        self._graph = graph
        self._kinds = kinds
        self._configs = configs
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
                f"{reference}: secrets can be used in the settings of actions and triggers only.",
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
        elif root in FIELDS and reference.keys and reference.keys[0] not in FIELDS[root]:
            yield _unknown_field(reference, str(reference.keys[0]), sorted(FIELDS[root]))

    def _is_there(self, root: str, visible: Visible) -> bool:
        loops = [self._graph.nodes[loop] for loop in visible.loops]
        return any(root == "loop" or loop.config.get("mode") != "while" for loop in loops)

    def _node(self, reference: Reference, node_id: str, visible: Visible) -> Iterator[Problem]:
        if node_id not in self._graph.nodes:
            yield Problem(
                "UNKNOWN_REFERENCE",
                f"{reference}: there is no node {node_id!r}; choose one that comes before this one.",
            )
        elif node_id not in visible.nodes:
            yield Problem("UNKNOWN_REFERENCE", f"{reference}: {self._why_unseen(node_id, visible)}")
        else:
            yield from self._fields(reference, node_id)

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

    def _fields(self, reference: Reference, node_id: str) -> Iterator[Problem]:
        if not reference.keys:
            return
        if reference.keys[0] != "output":
            yield Problem(
                "UNKNOWN_REFERENCE",
                f"{reference}: of a node only its output can be used, like node_{node_id}.output.",
            )
            return
        node = self._graph.nodes[node_id]
        if len(reference.keys) < 2 or node_id not in self._configs or node.disabled:
            return
        known = self._kinds[node_id].output_fields(self._configs[node_id])
        field = str(reference.keys[1])
        if known is None or field in known or (field == "error" and node.on_error != "fail"):
            return
        yield _unknown_field(reference, field, known)


def _unknown_field(reference: Reference, field: str, known: list[str]) -> Problem:
    return Problem(
        "UNKNOWN_FIELD",
        f"{reference}: {field!r} is not known there; there is: {', '.join(known)}.",
        severity="warning",
    )
