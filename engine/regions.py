"""Which loop each node belongs to, and which edges lead back into one."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from engine.definition import Edge, Node

LOOP = "logic.loop"
EACH = "each"
DONE = "done"


class Regions:
    """A loop's body is what its `each` handle reaches before an edge back into it; bodies nest.

    `owner`: for each node the innermost loop in whose body it is, None outside of all. `back`: for each loop
    the edges that lead back into it. `crossing`: the edges that leave a body otherwise, which none may.
    """

    def __init__(self, nodes: Mapping[str, Node], edges: Sequence[Edge]) -> None:
        self._loops = [
            node_id for node_id, node in nodes.items() if node.subtype == "loop" and node.kind == LOOP
        ]
        self.owner: dict[str, str | None] = {}
        self.back: dict[str, list[Edge]] = {node_id: [] for node_id in self._loops}
        self.crossing: list[Edge] = []
        if not self._loops:
            self.owner = dict.fromkeys(nodes)
            return
        self._outgoing: dict[str, list[Edge]] = {node_id: [] for node_id in nodes}
        self._sources: dict[str, set[str]] = {node_id: set() for node_id in nodes}
        for edge in edges:
            self._outgoing[edge.source].append(edge)
            self._sources[edge.target].add(edge.source)
        self._assign([node_id for node_id in nodes if not self._sources[node_id]])
        for node_id in self._loops:
            if node_id not in self.owner and self._sources[node_id] <= self._reached_by_each(node_id):
                self._assign([node_id])
        for node_id in nodes:
            self.owner.setdefault(node_id, None)
        for edge in edges:
            self._sort(edge)

    def aside(self) -> set[int]:
        """The ids of the objects of the edges that do not lead forward."""
        return {id(edge) for edges in (*self.back.values(), self.crossing) for edge in edges}

    def around(self, node_id: str | None) -> Iterator[str]:
        """The loops in whose bodies the node is, the innermost first."""
        loop = self.owner[node_id] if node_id is not None else None
        while loop is not None:
            yield loop
            loop = self.owner[loop]

    def of_edge(self, edge: Edge) -> str | None:
        """The loop in whose body the edge is; `each` is in the body that it opens."""
        if edge.handle == EACH and edge.source in self.back:
            return edge.source
        return self.owner[edge.source]

    def _assign(self, starts: list[str]) -> None:
        """Goes on from the starts; what is reached inside and outside of a loop counts as outside."""
        todo: deque[tuple[str, str | None]] = deque((node_id, None) for node_id in starts)
        inside: deque[tuple[str, str | None]] = deque()
        while todo:
            node_id, loop = todo.popleft()
            if node_id not in self.owner:
                self.owner[node_id] = loop
                for edge in self._outgoing[node_id]:
                    opened = self.of_edge(edge)
                    (todo if opened == loop else inside).append((edge.target, opened))
            if not todo:
                todo, inside = inside, todo

    def _reached_by_each(self, loop: str) -> set[str]:
        found = {edge.target for edge in self._outgoing[loop] if edge.handle == EACH} - {loop}
        todo = list(found)
        while todo:
            for edge in self._outgoing[todo.pop()]:
                if edge.target not in found and edge.target != loop:
                    found.add(edge.target)
                    todo.append(edge.target)
        return found

    def _sort(self, edge: Edge) -> None:
        loop = self.of_edge(edge)
        if edge.target == loop and edge.source != loop:
            self.back[loop].append(edge)
        elif self.owner[edge.target] != loop:
            self.crossing.append(edge)
