"""Which nodes are to run, which are skipped: liveness flowing along the edges."""

from collections.abc import Callable, Collection
from typing import Any

from engine.definition import Edge, Node
from engine.graph import Graph


class Flow:
    """The edges of one pass through some nodes of the graph. Each edge settles once, live or dead.

    `decided` hears of each node whose turn has come: it runs, or is skipped because no way into it is live.
    """

    __slots__ = ("_decided", "_hear", "_settled", "graph", "nodes")

    def __init__(self, graph: Graph, nodes: Collection[str], decided: Callable[[str, bool], None]) -> None:
        self.graph = graph
        self.nodes = nodes
        self._hear = decided
        self._settled: dict[int, bool] = {}
        self._decided: set[str] = set()

    def decide(self, node_id: str, runs: bool) -> None:
        """From outside: where the flow begins, and which triggers did not fire."""
        if node_id in self.nodes and node_id not in self._decided:
            self._decided.add(node_id)
            self._hear(node_id, runs)

    def settle(self, node_id: str, ways: Collection[str], passable: Callable[[Edge], bool]) -> None:
        """The node has ended along these ways; each of its edges is live or dead from now on."""
        for edge in self.graph.outgoing[node_id]:
            live = edge.handle in ways and (edge.condition is None or passable(edge))
            self.settle_edge(edge, live)
        for edge in self.graph.leading_back.get(node_id, ()):
            self._settled[id(edge)] = edge.handle in ways and passable(edge)

    def settle_edge(self, edge: Edge, live: bool) -> None:
        if id(edge) in self._settled:
            return
        self._settled[id(edge)] = live
        edges = self.graph.incoming[edge.target]
        if len(edges) == 1:
            self.decide(edge.target, live)
            return
        incoming = [self._settled.get(id(each)) for each in edges]
        if None not in incoming or (live and _takes_first(self.graph.nodes[edge.target])):
            self.decide(edge.target, True in incoming)

    def live_sources(self, edges: Collection[Edge]) -> list[str]:
        """The nodes from which live ones of the edges come, in the order of the edges."""
        return list(dict.fromkeys(edge.source for edge in edges if self._settled.get(id(edge))))

    def ends(self, completed: Collection[str]) -> list[str]:
        """The nodes whose outputs are the execution's: the last ones that completed, in graph order.

        These are the graph's own ends; where none of them was reached, the nodes after which no way led on.
        """
        done = [node_id for node_id in self.graph.order if node_id in completed]
        last = [node_id for node_id in done if not self._next(node_id)]
        return last or [node_id for node_id in done if not self._led_on(node_id, completed)]

    def undecided(self) -> list[str]:
        return [node_id for node_id in self.nodes if node_id not in self._decided]

    def _next(self, node_id: str) -> list[Edge]:
        return [edge for edge in self.graph.outgoing[node_id] if edge.target in self.nodes]

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


def joined(sources: list[str], outputs: dict[str, Any]) -> Any:
    """What several nodes came to together. One: its output; more: an object by node id; none: null."""
    if len(sources) == 1:
        return outputs[sources[0]]
    return {node_id: outputs[node_id] for node_id in sources} or None
