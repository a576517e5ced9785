"""One pass through the nodes of a region, and the loops whose rounds are such passes."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.expressions import DryOutput
from engine.flow import Flow
from engine.graph import Graph
from engine.ports import Iteration
from engine.step import Step

if TYPE_CHECKING:
    from engine.nodes.base import Rounds


class Pass:
    """The whole graph's, or a loop's body for one item: its own flow, steps, outputs and scope.

    `open` counts the nodes that have not ended yet.
    """

    __slots__ = ("flow", "iteration", "loop", "open", "outputs", "scope", "steps")

    def __init__(
        self,
        graph: Graph,
        nodes: Collection[str],
        decided: Callable[["Pass", str, bool], None],
        *,
        scope: dict[str, Any],
        iteration: Iteration = (),
        loop: "LoopRun | None" = None,
    ) -> None:
        self.flow = Flow(graph, nodes, partial(decided, self))
        self.scope = scope
        self.iteration = iteration
        self.loop = loop
        self.open = len(nodes)
        self.steps: dict[str, Step] = {}
        self.outputs: dict[str, Any] = {}

    def publish(self, node_id: str, output: Any, *, dry: bool) -> None:
        """The node's output is there for those that come after it."""
        if dry and isinstance(output, dict) and output.get("dry_run") is True:
            output = DryOutput(output)
        self.outputs[node_id] = output
        self.scope[f"node_{node_id}"] = {"output": output}

    def inputs(self, node_id: str) -> Mapping[str, Any]:
        """The outputs of the live predecessors, in the order of the edges."""
        sources = self.flow.live_sources(self.flow.graph.incoming[node_id])
        return {source: self.outputs[source] for source in sources if source in self.outputs}


class LoopRun:
    """A loop step at work: which round is next, how many are under way, what came of the others."""

    __slots__ = ("ended", "last", "next", "outer", "results", "rounds", "step", "under_way")

    def __init__(self, step: Step, rounds: "Rounds", outer: Pass) -> None:
        self.step = step
        self.rounds = rounds
        self.outer = outer
        self.next = 0
        self.under_way = 0
        self.ended = False
        self.results: list[Any] = []
        self.last: Pass | None = None
        """The round that ended last: the condition of the next one sees its outputs."""

    @property
    def node_id(self) -> str:
        return self.step.node.id

    @property
    def full(self) -> bool:
        return self.under_way >= self.rounds.at_once

    def scope(self, index: int) -> dict[str, Any]:
        """What a round adds to what is seen around the loop."""
        found: dict[str, Any] = {"loop": {"index": index + 1, "index0": index}}
        if self.rounds.items is not None:
            found["item"] = self.rounds.items[index]
        return found

    def begin(self) -> int:
        """Counts the next round in; its index."""
        index = self.next
        self.next += 1
        self.under_way += 1
        self.results.append(None)
        return index

    def end(self, round_: Pass, result: Any) -> None:
        self.results[round_.iteration[-1]] = result
        self.under_way -= 1
        self.last = round_

    def output(self) -> dict[str, Any]:
        items = self.rounds.items if self.rounds.items is not None else []
        return {"items": items, "count": len(self.results), "results": self.results}
