"""Which nodes are to run, which are skipped: liveness flowing along the edges."""

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from engine.definition import Edge, Node
from engine.graph import Graph


@dataclass(frozen=True, slots=True)
class Decision:
    """A node's turn has come: it runs, or is skipped because no way into it is live."""

    node: Node
    runs: bool


class Flow:
    """The edges of one pass through the graph. Each edge settles once, live or dead."""

    def __init__(self, graph: Graph, selected: Collection[str] | None = None) -> None:
        self.graph = graph
        self.selected = graph.nodes.keys() if selected is None else selected
        self._settled: dict[int, bool] = {}
        self._decided: set[str] = set()
        self.decisions: deque[Decision] = deque()

    def decide(self, node_id: str, runs: bool) -> None:
        """From outside: where the flow begins, and which triggers did not fire."""
        if node_id in self.selected and node_id not in self._decided:
            self._decided.add(node_id)
            self.decisions.append(Decision(self.graph.nodes[node_id], runs))

    def settle(self, node_id: str, alive: Callable[[Edge], bool]) -> None:
        """The node has ended; each of its edges is live or dead from now on."""
        for edge in self.graph.outgoing[node_id]:
            self.settle_edge(edge, alive(edge))

    def settle_edge(self, edge: Edge, live: bool) -> None:
        if id(edge) in self._settled:
            return
        self._settled[id(edge)] = live
        target = self.graph.nodes[edge.target]
        incoming = [self._settled.get(id(each)) for each in self.graph.incoming[target.id]]
        if None not in incoming or (live and _takes_first(target)):
            self.decide(target.id, True in incoming)

    def live_sources(self, node_id: str) -> list[str]:
        """The nodes whose edges into this one are live, in the order of the edges."""
        live = [edge.source for edge in self.graph.incoming[node_id] if self._settled.get(id(edge))]
        return list(dict.fromkeys(live))

    def ends(self, completed: Collection[str]) -> list[str]:
        """The nodes whose outputs are the execution's: the last ones that completed, in graph order.

        These are the graph's own ends; where none of them was reached, the nodes after which no way led on.
        """
        done = [node_id for node_id in self.graph.order if node_id in completed]
        last = [node_id for node_id in done if not self._next(node_id)]
        return last or [node_id for node_id in done if not self._led_on(node_id, completed)]

    def undecided(self) -> list[Node]:
        return [
            self.graph.nodes[node_id]
            for node_id in self.graph.order
            if node_id in self.selected and node_id not in self._decided
        ]

    def _next(self, node_id: str) -> list[Edge]:
        return [edge for edge in self.graph.outgoing[node_id] if edge.target in self.selected]

    def _led_on(self, node_id: str, completed: Collection[str]) -> bool:
        """Whether a live way leads to a completed node, over nodes that were passed through if need be."""
        todo, seen = [node_id], set[str]()
        while todo:
            for edge in self._next(todo.pop()):
                if self._settled.get(id(edge)) and edge.target not in seen:
                    if edge.target in completed:
                        return True
                    seen.add(edge.target)
                    todo.append(edge.target)
        return False


def _takes_first(node: Node) -> bool:
    return node.kind == "logic.merge" and node.config.get("mode") == "any"


def output_of(ends: list[str], outputs: dict[str, Any]) -> Any:
    """One end: its output; several: an object by node id."""
    if len(ends) == 1:
        return outputs[ends[0]]
    return {node_id: outputs[node_id] for node_id in ends} or None
