"""What the expressions of a node or an edge may name."""

from dataclasses import dataclass

from engine.definition import Edge
from engine.graph import Graph


@dataclass(frozen=True, slots=True)
class Visible:
    """`nodes` that come before, and the `loops` in whose bodies the place is, the innermost first."""

    nodes: frozenset[str]
    loops: tuple[str, ...]


class Visibility:
    """A loop has no output yet for its own body, and what comes after it sees its results, not its body."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._before = graph.before()

    def at_node(self, node_id: str) -> Visible:
        loops = tuple(self._graph.regions.around(node_id))
        return Visible(frozenset(self._before[node_id] - set(loops)), loops)

    def at_edge(self, edge: Edge) -> Visible:
        """The condition of an edge is asked once its source has ended, that of `each` before each round."""
        around = self.at_node(edge.source)
        if self._graph.regions.of_edge(edge) == edge.source:
            return Visible(around.nodes, (edge.source, *around.loops))
        return Visible(around.nodes | {edge.source}, around.loops)

    def in_rounds(self, loop: str) -> Visible:
        """The condition of a loop is asked before each round, with what the round before came to."""
        around = self.at_node(loop)
        return Visible(around.nodes | frozenset(self._graph.members(loop)), (loop, *around.loops))
