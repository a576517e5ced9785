"""What is wrong with a definition, told so that a person knows what to do about it."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from engine.attempt import checked
from engine.definition import Definition, Edge, Node
from engine.errors import ExpressionError, InvalidConfigError
from engine.expressions import (
    Reference,
    compile_condition,
    compile_template,
    has_expression,
    is_only_put_out,
    references,
)
from engine.graph import Graph
from engine.identifiers import ID_PATTERN
from engine.names import ONLY_IN_PLACE, SECRET_TYPES, secret_name
from engine.nodes import registry
from engine.nodes.base import NodeKind

Severity = Literal["error", "warning"]
ROOTS = frozenset({"trigger", "execution", "vars", "secrets"})
TRIGGER_FIELDS = frozenset({"data", "headers", "query", "method"})
MAX_EXPRESSIONS = 3000
"""Compiling so many takes about a second."""
EXECUTION_FIELDS = frozenset({"id", "triggered_by", "dry_run"})


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend; `severity` `warning` does not keep it from being published."""

    code: str
    message: str
    node_id: str | None = None
    edge_id: str | None = None
    field: str | None = None
    severity: Severity = "error"

    def to_json(self) -> dict[str, Any]:
        return {
            "node_id": self.node_id,
            "edge_id": self.edge_id,
            "field": self.field,
            "code": self.code,
            "message": self.message,
            "severity": self.severity,
        }


@dataclass(frozen=True, slots=True)
class KnownNames:
    """What the organization has, where the host can tell. Credentials by their ids and names."""

    secrets: Collection[str]
    variables: Collection[str]
    credentials: Collection[str]


def validate(
    definition: Definition,
    *,
    models: Callable[[str], bool] | None = None,
    names: KnownNames | None = None,
) -> list[Problem]:
    """All problems, in the order of the graph. `models` says whether a model's name is known."""
    return list(_Validator(definition, models, names).problems())


class _Validator:
    def __init__(
        self, definition: Definition, models: Callable[[str], bool] | None, names: KnownNames | None
    ) -> None:
        self.definition = definition
        self.models = models
        self.names = names
        self.graph = Graph(definition)
        self.kinds: dict[str, NodeKind[Any]] = {}
        self.configs: dict[str, Any] = {}
        self.expressions = 0

    def problems(self) -> Iterator[Problem]:
        yield from self._ids()
        for node in self.definition.nodes:
            yield from self._kind(node)
        yield from self._edges()
        yield from self._shape()
        before = self.graph.before()
        for node in self.graph.nodes.values():
            if not node.disabled:
                yield from self._expressions(node, before[node.id])
                yield from self._models(node)
                yield from self._credentials(node)
        for edge in self.graph.edges:
            if edge.condition and edge.condition.strip():
                known = before[edge.source] | {edge.source}
                for problem in self._expression(edge.condition, known, condition=True):
                    yield _at_edge(problem, edge)

    def _ids(self) -> Iterator[Problem]:
        seen: set[str] = set()
        for node in self.definition.nodes:
            if not ID_PATTERN.fullmatch(node.id):
                yield Problem(
                    "INVALID_ID",
                    f"The id {node.id!r} does not work: use lower-case letters, digits and _, "
                    "beginning with a letter, 63 at most.",
                    node_id=node.id,
                )
            if node.id in seen:
                yield Problem(
                    "DUPLICATE_ID", f"Two nodes have the id {node.id!r}; rename one.", node_id=node.id
                )
            seen.add(node.id)
        edges: set[str] = set()
        for edge in self.definition.edges:
            if edge.id in edges:
                yield Problem(
                    "DUPLICATE_ID", f"Two edges have the id {edge.id!r}; rename one.", edge_id=edge.id
                )
            edges.add(edge.id)

    def _kind(self, node: Node) -> Iterator[Problem]:
        kind = registry.kind(node.type, node.subtype)
        if kind is None:
            yield Problem(
                "UNKNOWN_KIND",
                f"There is no node kind {node.kind!r} here; replace or delete this node.",
                node_id=node.id,
            )
            return
        self.kinds[node.id] = kind
        try:
            self.configs[node.id] = checked(kind, node.config, draft=True)
        except InvalidConfigError as error:
            if node.disabled:
                return
            for field in error.details["fields"]:
                yield Problem(
                    "INVALID_CONFIG",
                    f"{field['field']}: {field['message']}" if field["field"] else field["message"],
                    node_id=node.id,
                    field=field["field"] or None,
                )

    def _edges(self) -> Iterator[Problem]:
        for edge in self.definition.edges:
            for end, node_id in (("begins", edge.source), ("ends", edge.target)):
                if node_id not in self.graph.nodes:
                    yield Problem(
                        "UNKNOWN_NODE",
                        f"This edge {end} at {node_id!r}, which does not exist; connect it or delete it.",
                        edge_id=edge.id,
                    )
        for edge in self.graph.edges:
            handles = self._handles(self.graph.nodes[edge.source])
            if handles is not None and edge.handle not in handles:
                yield Problem(
                    "UNKNOWN_HANDLE",
                    f"{self.graph.nodes[edge.source].name} has no way out {edge.handle!r}; "
                    f"choose one of: {', '.join(handles)}.",
                    node_id=edge.source,
                    edge_id=edge.id,
                )
            if self.graph.nodes[edge.target].type == "trigger":
                yield Problem(
                    "UNKNOWN_HANDLE",
                    f"{self.graph.nodes[edge.target].name} is a trigger, so nothing can lead into it.",
                    node_id=edge.target,
                    edge_id=edge.id,
                )

    def _handles(self, node: Node) -> list[str] | None:
        """None where they cannot be known."""
        if node.disabled:
            return ["out"] if node.id in self.kinds and self.kinds[node.id].handle_names == ("out",) else None
        if node.id not in self.configs:
            return None
        handles = self.kinds[node.id].handles(self.configs[node.id])
        extra = {"continue": ["out"], "branch": ["error"], "fail": []}[node.on_error]
        return [*handles, *(handle for handle in extra if handle not in handles)]

    def _shape(self) -> Iterator[Problem]:
        for node_id in self.graph.on_cycle():
            yield Problem(
                "CYCLE",
                f"{self.graph.nodes[node_id].name} leads back to itself; remove an edge of the circle.",
                node_id=node_id,
            )
        reached = self.graph.reachable(self.graph.roots())
        for node_id, node in self.graph.nodes.items():
            if node_id not in reached:
                yield Problem(
                    "UNREACHABLE",
                    f"Nothing leads to {node.name}; connect it behind a trigger, or delete it.",
                    node_id=node_id,
                )
        for node_id, node in self.graph.nodes.items():
            handles = self._handles(node)
            if handles is None or len(handles) < 2 or not self.graph.outgoing[node_id]:
                continue
            used = {edge.handle for edge in self.graph.outgoing[node_id]}
            for handle in handles:
                if handle not in used and not (handle == "out" and node.on_error == "continue"):
                    yield Problem(
                        "UNUSED_BRANCH",
                        f"Nothing follows {handle!r} of {node.name}; that way just ends.",
                        node_id=node_id,
                        severity="warning",
                    )

    def _expressions(self, node: Node, before: set[str]) -> Iterator[Problem]:
        kind = self.kinds.get(node.id)
        for field, value in node.config.items():
            mode = kind.modes.get(field, "render") if kind is not None else "render"
            if mode == "verbatim":
                continue
            for place, text in _texts(value, field):
                for problem in self._expression(
                    text, before, condition=mode == "condition", secrets=node.type in SECRET_TYPES
                ):
                    yield Problem(
                        problem.code,
                        problem.message,
                        node_id=node.id,
                        field=place,
                        severity=problem.severity,
                    )

    def _expression(
        self, text: str, before: set[str], *, condition: bool, secrets: bool = False
    ) -> Iterator[Problem]:
        if not condition and not has_expression(text):
            return
        self.expressions += 1
        if self.expressions > MAX_EXPRESSIONS:
            if self.expressions == MAX_EXPRESSIONS + 1:
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
            else:
                yield from self._reference(reference, before)

    def _secret(self, reference: Reference, *, allowed: bool) -> Iterator[Problem]:
        name = secret_name(reference)
        if not allowed:
            yield Problem(
                "SECRET_NOT_ALLOWED",
                f"{reference}: secrets can be used in the settings of actions and triggers only.",
            )
        elif name is None:
            yield Problem("SECRET_NOT_ALLOWED", "A secret is named directly, like secrets.NAME.")
        elif self.names is not None and name not in self.names.secrets:
            yield Problem(
                "UNKNOWN_SECRET",
                f"There is no secret {name}; add it in the settings, under Secrets & variables.",
                severity="warning",
            )

    def _reference(self, reference: Reference, before: set[str]) -> Iterator[Problem]:
        node_id = reference.node_id
        if node_id is None:
            yield from self._root(reference)
        elif node_id not in self.graph.nodes:
            yield Problem(
                "UNKNOWN_REFERENCE",
                f"{reference}: there is no node {node_id!r}; choose one that comes before this one.",
            )
        elif node_id not in before:
            yield Problem(
                "UNKNOWN_REFERENCE",
                f"{reference}: {self.graph.nodes[node_id].name} does not come before this node, "
                "so its output is not there yet.",
            )
        else:
            yield from self._fields(reference, node_id)

    def _root(self, reference: Reference) -> Iterator[Problem]:
        if reference.root not in ROOTS:
            yield Problem(
                "UNKNOWN_REFERENCE",
                f"{reference}: there is no {reference.root!r}; there is trigger, execution, vars,"
                " secrets, and node_<id>.",
            )
            return
        if reference.root == "vars":
            name = str(reference.keys[0]) if reference.keys else None
            if self.names is not None and name is not None and name not in self.names.variables:
                yield Problem(
                    "UNKNOWN_VARIABLE",
                    f"There is no variable {name}; add it in the settings, under Secrets & variables.",
                    severity="warning",
                )
            return
        known = TRIGGER_FIELDS if reference.root == "trigger" else EXECUTION_FIELDS
        if reference.keys and reference.keys[0] not in known:
            yield _unknown_field(reference, str(reference.keys[0]), sorted(known))

    def _fields(self, reference: Reference, node_id: str) -> Iterator[Problem]:
        if not reference.keys:
            return
        if reference.keys[0] != "output":
            yield Problem(
                "UNKNOWN_REFERENCE",
                f"{reference}: of a node only its output can be used, like node_{node_id}.output.",
            )
            return
        node = self.graph.nodes[node_id]
        if len(reference.keys) < 2 or node_id not in self.configs or node.disabled:
            return
        known = self.kinds[node_id].output_fields(self.configs[node_id])
        field = str(reference.keys[1])
        if known is None or field in known or (field == "error" and node.on_error != "fail"):
            return
        yield _unknown_field(reference, field, known)

    def _models(self, node: Node) -> Iterator[Problem]:
        kind = self.kinds.get(node.id)
        if kind is None or self.models is None:
            return
        for field, info in kind.Config.model_fields.items():
            extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
            if extra.get("widget") != "model":
                continue
            value = node.config.get(field)
            for name in value if isinstance(value, list) else [value]:
                if isinstance(name, str) and not has_expression(name) and not self.models(name):
                    yield Problem(
                        "UNKNOWN_MODEL",
                        f"There is no model {name!r}; choose one from the list.",
                        node_id=node.id,
                        field=field,
                    )

    def _credentials(self, node: Node) -> Iterator[Problem]:
        kind = self.kinds.get(node.id)
        if kind is None or self.names is None:
            return
        for field, info in kind.Config.model_fields.items():
            extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
            value = node.config.get(field)
            if extra.get("widget") == "credential" and value and str(value) not in self.names.credentials:
                yield Problem(
                    "UNKNOWN_CREDENTIAL",
                    "This credential does not exist here; choose one from the list.",
                    node_id=node.id,
                    field=field,
                    severity="warning",
                )


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, f"{place}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{place}[{index}]")


def _unknown_field(reference: Reference, field: str, known: list[str]) -> Problem:
    return Problem(
        "UNKNOWN_FIELD",
        f"{reference}: {field!r} is not known there; there is: {', '.join(known)}.",
        severity="warning",
    )


def _at_edge(problem: Problem, edge: Edge) -> Problem:
    return Problem(problem.code, problem.message, edge.source, edge.id, "condition", problem.severity)
