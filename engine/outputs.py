"""What is known of the outputs in a graph before it runs, each by its kind, its config and what feeds it."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from engine.definition import Edge
from engine.errors import ExpressionError
from engine.expressions import compile_template, has_expression
from engine.graph import Graph
from engine.nodes.base import NodeKind
from engine.regions import EACH
from engine.shapes import (
    ANYTHING,
    FAILURE,
    MOST_ALTERNATIVES,
    SCALAR,
    TEXT,
    Absent,
    Fields,
    Items,
    Shape,
    one_of,
    under,
)
from engine.visibility import Visibility, Visible

EXECUTION = Fields({"id": TEXT, "triggered_by": TEXT, "dry_run": SCALAR})
REQUEST = dict.fromkeys(("headers", "query", "method"), ANYTHING)
LOOP = Fields({"index": SCALAR, "index0": SCALAR})


class Outputs:
    """`kinds` and `configs` are those of the nodes that are sound; of the others nothing is known."""

    def __init__(
        self,
        graph: Graph,
        kinds: Mapping[str, NodeKind[Any]],
        configs: Mapping[str, Any],
        visibility: Visibility,
    ) -> None:
        self._graph = graph
        self._kinds = kinds
        self._configs = configs
        self._visibility = visibility
        self._known: dict[str, Shape] | None = None

    def named(self, root: str, visible: Visible) -> Shape:
        """What a name at the beginning of a path stands for."""
        if root.startswith("node_"):
            return Fields({"output": self._outputs.get(root.removeprefix("node_"), ANYTHING)})
        if root == "item":
            loop = self._graph.item_of(visible.loops)
            return self._item(loop) if loop is not None else ANYTHING
        if root == "trigger":
            return Fields({"data": self._trigger(visible), **REQUEST})
        return {"execution": EXECUTION, "loop": LOOP}.get(root, ANYTHING)

    @property
    def _outputs(self) -> dict[str, Shape]:
        if self._known is None:
            self._known = {}
            for node_id in self._order():
                self._known[node_id] = self._of(node_id)
        return self._known

    def _order(self) -> list[str]:
        """What a shape is made of comes before it: items, then the body, then what it leads to."""
        needed: dict[str, set[str]] = {}
        for node_id, edges in self._graph.incoming.items():
            sources = {self._part(edge) for edge in edges}
            if node_id in self._graph.back:
                needed[_begin(node_id)] = sources
                sources = {_begin(node_id), *(edge.source for edge in self._graph.back[node_id])}
            needed[node_id] = sources
        try:
            order = list(TopologicalSorter(needed).static_order())
        except CycleError:
            return []
        return [node_id for node_id in order if node_id in self._graph.nodes]

    def _part(self, edge: Edge) -> str:
        opens = edge.handle == EACH and edge.source in self._graph.back
        return _begin(edge.source) if opens else edge.source

    def _of(self, node_id: str) -> Shape:
        node = self._graph.nodes[node_id]
        around = _Around(self, self._graph, node_id, self._visibility.at_node(node_id))
        if node.disabled:
            return one_of(around.inputs.values())
        if node_id not in self._configs:
            return ANYTHING
        shape = self._kinds[node_id].shape(self._configs[node_id], around)
        return shape if node.on_error == "fail" else one_of([shape, FAILURE])

    def input(self, edge: Edge) -> Shape:
        """What an edge brings to its target; in a body a loop stands for its item."""
        if edge.handle == EACH and edge.source in self._graph.back:
            return self._item(edge.source)
        return self._outputs.get(edge.source, ANYTHING)

    def _item(self, loop: str) -> Shape:
        """An item of a loop's list."""
        if loop not in self._configs:
            return ANYTHING
        found = self.value(self._configs[loop].items, self._visibility.at_node(loop)).at(0)
        return ANYTHING if isinstance(found, Absent) else found

    def _trigger(self, visible: Visible) -> Shape:
        """The data of whichever of the triggers before fired."""
        shapes = [
            self._outputs.get(node_id, ANYTHING).at("data")
            for node_id in visible.nodes
            if self._graph.nodes[node_id].type == "trigger"
        ]
        return one_of(shape for shape in shapes if not isinstance(shape, Absent))

    def value(self, value: Any, visible: Visible) -> Shape:
        """What a value of a config comes to where these are visible."""
        if isinstance(value, str):
            return self._text(value, visible)
        if isinstance(value, dict):
            return Fields({key: self.value(item, visible) for key, item in value.items()})
        if isinstance(value, list):
            few = value[: MOST_ALTERNATIVES + 1]
            return Items(one_of(self.value(item, visible) for item in few))
        return SCALAR

    def _text(self, text: str, visible: Visible) -> Shape:
        if not has_expression(text):
            return TEXT
        try:
            template = compile_template(text)
        except ExpressionError:
            return ANYTHING
        if template.path is None:
            return ANYTHING if template.keeps_type else TEXT
        root, keys = template.path
        found, _ = under(self.named(root, visible), keys)
        return ANYTHING if isinstance(found, Absent) else found


class _Around:
    """What a node's kind asks about the graph around it."""

    def __init__(self, outputs: Outputs, graph: Graph, node_id: str, visible: Visible) -> None:
        self._outputs = outputs
        self._visible = visible
        edges = graph.incoming[node_id]
        self.inputs: Mapping[str, Shape] = {edge.source: outputs.input(edge) for edge in edges}
        back = {edge.source: outputs.input(edge) for edge in graph.back.get(node_id, ())}
        together = [Fields(back)] if len(back) > 1 else []
        self.rounds = one_of([*back.values(), *together]) if back else SCALAR

    def value(self, value: Any) -> Shape:
        return self._outputs.value(value, self._visible)


def _begin(loop: str) -> str:
    """A loop before its body, of which its items are known only. No id looks like this."""
    return f"{loop} begins"
