"""The definition as a graph: who comes before whom, and where the edges lead."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping

from engine.definition import Definition, Edge, Node
from engine.regions import Regions

MOST_KEPT = 200


class Graph:
    """Edges to or from nodes that do not exist are left out; of nodes with the same id the first counts.

    `incoming` and `outgoing` lead forward: without the edges back into loops, and those that cross the border
    of a loop's body.
    """

    def __init__(self, definition: Definition) -> None:
        self.nodes: dict[str, Node] = {}
        for node in definition.nodes:
            self.nodes.setdefault(node.id, node)
        nodes = self.nodes
        self.edges = [edge for edge in definition.edges if edge.source in nodes and edge.target in nodes]
        self.incoming: dict[str, list[Edge]] = {node_id: [] for node_id in self.nodes}
        self.outgoing: dict[str, list[Edge]] = {node_id: [] for node_id in self.nodes}
        self.regions = Regions(self.nodes, self.edges)
        self.back = self.regions.back
        self.crossing = self.regions.crossing
        self.leading_back: dict[str, list[Edge]] = {}
        for edges in self.back.values():
            for edge in edges:
                self.leading_back.setdefault(edge.source, []).append(edge)
        aside = self.regions.aside()
        for edge in self.edges:
            if id(edge) not in aside:
                self.incoming[edge.target].append(edge)
                self.outgoing[edge.source].append(edge)
        self.order, self.cyclic = self._sorted()
        self._members = self._by_region()

    def _sorted(self) -> tuple[list[str], list[str]]:
        """Node ids in topological order, and those that lie on or behind a cycle."""
        open_edges = {node_id: len(edges) for node_id, edges in self.incoming.items()}
        free = deque(node_id for node_id, count in open_edges.items() if count == 0)
        order: list[str] = []
        while free:
            node_id = free.popleft()
            order.append(node_id)
            for edge in self.outgoing[node_id]:
                open_edges[edge.target] -= 1
                if open_edges[edge.target] == 0:
                    free.append(edge.target)
        placed = set(order)
        return order, [node_id for node_id in self.nodes if node_id not in placed]

    def _by_region(self) -> dict[str | None, list[str]]:
        if not self.back:
            return {None: self.order}
        found: dict[str | None, list[str]] = {None: [], **{loop: [] for loop in self.back}}
        for node_id in self.order:
            found[self.regions.owner[node_id]].append(node_id)
        return found

    def members(self, loop: str | None) -> list[str]:
        """The nodes of a loop's body without those of inner loops; of None, those outside of all loops."""
        return self._members[loop]

    def body(self, loop: str) -> list[str]:
        """All nodes of a loop's body, those of inner loops included."""
        found: list[str] = []
        todo = [loop]
        while todo:
            members = self._members[todo.pop()]
            found += members
            todo += [node_id for node_id in members if node_id in self.back]
        return found

    def item_of(self, loops: Iterable[str]) -> str | None:
        """Of the loops around a place, the innermost first, the one whose items are `item` there."""
        return next((loop for loop in loops if self.nodes[loop].config.get("mode") != "while"), None)

    def ancestors(self, node_id: str) -> set[str]:
        return self._reach([node_id], self.incoming, forward=False) - {node_id}

    def descendants(self, node_id: str) -> set[str]:
        return self._reach([node_id], self.outgoing, forward=True) - {node_id}

    def reachable(self, starts: Iterable[str]) -> set[str]:
        """The starts and all that can be reached from them."""
        return self._reach(starts, self.outgoing, forward=True)

    def before(self) -> dict[str, set[str]]:
        """For each node all nodes that come before it."""
        found: dict[str, set[str]] = {}
        for node_id in self.order:
            found[node_id] = set()
            for edge in self.incoming[node_id]:
                found[node_id] |= found[edge.source] | {edge.source}
        # Within a circle everything comes before everything; it cannot be published anyway.
        everything = set(self.nodes)
        return found | dict.fromkeys(self.cyclic, everything)

    def roots(self) -> list[str]:
        """Where a run may begin: the triggers, or what nothing leads to where there is none."""
        triggers = [node_id for node_id, node in self.nodes.items() if node.type == "trigger"]
        return triggers or [node_id for node_id, edges in self.incoming.items() if not edges]

    def on_cycle(self) -> list[str]:
        """The nodes from which a way leads back to themselves."""
        found: set[str] = set()
        for node_id in self.cyclic:
            if node_id not in found and node_id in (after := self._after(node_id)):
                found |= after & self.ancestors(node_id) | {node_id}
        return [node_id for node_id in self.cyclic if node_id in found]

    def _after(self, node_id: str) -> set[str]:
        return self.reachable(edge.target for edge in self.outgoing[node_id])

    def _reach(self, starts: Iterable[str], edges: Mapping[str, list[Edge]], *, forward: bool) -> set[str]:
        found = set(starts)
        todo = list(found)
        while todo:
            for edge in edges[todo.pop()]:
                other = edge.target if forward else edge.source
                if other not in found:
                    found.add(other)
                    todo.append(other)
        return found


_kept: OrderedDict[int, tuple[Definition, Graph]] = OrderedDict()


def graph_of(definition: Definition) -> Graph:
    """The graph of a definition that does not change any more, made once for as long as it is in use."""
    known = _kept.get(id(definition))
    if known is None:
        known = _kept[id(definition)] = definition, Graph(definition)
        if len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
    return known[1]
