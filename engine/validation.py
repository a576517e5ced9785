"""What is wrong with a definition, told so that a person knows what to do about it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from engine.attempt import checked
from engine.definition import Definition, Edge, Node
from engine.errors import InvalidConfigError
from engine.expression_check import ExpressionCheck
from engine.expressions import has_expression
from engine.graph import Graph
from engine.identifiers import ID_PATTERN
from engine.names import takes_secrets
from engine.nodes import registry
from engine.nodes.base import SECRET_TYPES, NodeKind
from engine.outputs import Outputs
from engine.problems import KnownNames, Problem
from engine.visibility import Visibility


def validate(
    definition: Definition,
    *,
    models: Callable[[str], bool] | None = None,
    names: KnownNames | None = None,
) -> list[Problem]:
    """All problems, in the order of the graph. `models` says whether a model's name is known."""
    return list(_Validator(definition, models, names).problems())


_CREDENTIALS = ("credential", "mail_server")


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
        self.visibility = Visibility(self.graph)
        outputs = Outputs(self.graph, self.kinds, self.configs, self.visibility)
        self.expressions = ExpressionCheck(self.graph, outputs, names)

    def problems(self) -> Iterator[Problem]:
        yield from self._ids()
        for node in self.definition.nodes:
            yield from self._kind(node)
        yield from self._edges()
        yield from self._shape()
        for node in self.graph.nodes.values():
            if not node.disabled:
                yield from self._expressions(node)
                yield from self._models(node)
                yield from self._credentials(node)
                yield from self._agents(node)
        for edge in self.graph.edges:
            if edge.condition and edge.condition.strip():
                visible = self.visibility.at_edge(edge)
                for problem in self.expressions.problems(edge.condition, visible, condition=True):
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
            return
        if not node.disabled:
            for problem in kind.problems(self.configs[node.id], self.names):
                yield replace(problem, node_id=node.id)

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
        for edge in self.graph.crossing:
            enters = edge.source == self.graph.regions.of_edge(edge) != edge.target
            round_about = not enters and edge.source in self.graph.reachable([edge.target])
            yield Problem(
                "CYCLE" if round_about else "LOOP_BOUNDARY",
                self._crossing(edge, round_about=round_about),
                node_id=edge.source,
                edge_id=edge.id,
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
            edges = [*self.graph.outgoing[node_id], *self.graph.leading_back.get(node_id, ())]
            if handles is None or len(handles) < 2 or not edges:
                continue
            used = {edge.handle for edge in edges}
            for handle in handles:
                may_end = handle == "done" or (handle == "out" and node.on_error == "continue")
                if handle not in used and not may_end:
                    yield Problem(
                        "UNUSED_BRANCH",
                        f"Nothing follows {handle!r} of {node.name}; that way just ends.",
                        node_id=node_id,
                        severity="warning",
                    )

    def _crossing(self, edge: Edge, *, round_about: bool) -> str:
        loop = self.graph.regions.of_edge(edge)
        name = self.graph.nodes[edge.target].name
        if loop is None:
            return f"{name} is in the body of a loop, so only the `each` of that loop leads to it."
        owner = self.graph.nodes[loop].name
        if edge.target == loop:
            return f"`each` of {owner} leads straight back; put between what is to be done for each item."
        if round_about:
            return (
                f"This edge leads from the body of {owner} back to {name}, which comes before it; "
                f"lead it back to {owner}, and go on from its `done`."
            )
        return (
            f"{name} is reached from outside of the body of {owner}, too. A way in the body leads back to "
            f"{owner} or just ends; go on from `done` of {owner} instead."
        )

    def _expressions(self, node: Node) -> Iterator[Problem]:
        kind = self.kinds.get(node.id)
        around = self.visibility.at_node(node.id)
        secrets = takes_secrets(kind) if kind is not None else node.type in SECRET_TYPES
        for field, value in node.config.items():
            mode = kind.modes.get(field, "render") if kind is not None else "render"
            if mode == "verbatim":
                continue
            deferred = kind is not None and field in kind.deferred
            visible = self.visibility.in_rounds(node.id) if deferred else around
            for place, text in _texts(value, field):
                for problem in self.expressions.problems(
                    text, visible, condition=mode == "condition", secrets=secrets
                ):
                    yield Problem(
                        problem.code,
                        problem.message,
                        node_id=node.id,
                        field=place,
                        severity=problem.severity,
                    )

    def _chosen(self, node: Node, *widgets: str) -> Iterator[tuple[str, Any]]:
        """The fields of the node that such a widget fills in, and what is in them."""
        kind = self.kinds.get(node.id)
        for field, info in kind.Config.model_fields.items() if kind is not None else ():
            extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
            if extra.get("widget") in widgets:
                yield field, node.config.get(field)

    def _models(self, node: Node) -> Iterator[Problem]:
        if self.models is None:
            return
        for field, value in self._chosen(node, "model"):
            for name in value if isinstance(value, list) else [value]:
                if isinstance(name, str) and not has_expression(name) and not self.models(name):
                    yield Problem(
                        "UNKNOWN_MODEL",
                        f"There is no model {name!r}; choose one from the list.",
                        node_id=node.id,
                        field=field,
                    )

    def _credentials(self, node: Node) -> Iterator[Problem]:
        if self.names is None:
            return
        for field, value in self._chosen(node, *_CREDENTIALS):
            if value and str(value) not in self.names.credentials:
                yield Problem(
                    "UNKNOWN_CREDENTIAL",
                    "This credential does not exist here; choose one from the list.",
                    node_id=node.id,
                    field=field,
                    severity="warning",
                )

    def _agents(self, node: Node) -> Iterator[Problem]:
        if self.names is None or self.names.agents is None:
            return
        for field, value in self._chosen(node, "agent"):
            if value and str(value) not in self.names.agents:
                yield Problem(
                    "UNKNOWN_AGENT",
                    "There is no published agent of this id here; choose one from the list, or publish it.",
                    node_id=node.id,
                    field=field,
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


def _at_edge(problem: Problem, edge: Edge) -> Problem:
    return Problem(problem.code, problem.message, edge.source, edge.id, "condition", problem.severity)
