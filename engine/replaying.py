"""What a new execution may take over from an earlier one when some of its nodes are to run again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from engine.definition import Definition
from engine.graph import Graph
from engine.ports import StepState
from engine.regions import EACH
from engine.resuming import settled


@dataclass(frozen=True, slots=True)
class Takeover:
    """Step ids. `kept` are as they were; `reopened` are loops, whose rounds go on over the same items."""

    kept: list[str] = field(default_factory=list)
    reopened: list[str] = field(default_factory=list)


def takeover(definition: Definition, anew: Collection[str], steps: Sequence[StepState]) -> Takeover:
    """All that does not depend on the nodes `anew`.

    In a loop over items each round keeps what does not depend on them, and what comes after the loop runs
    again. A `while` loop runs again as a whole, since its condition may see what they come to.
    """
    graph = Graph(definition)
    touched, reopened = _depending(graph, anew)
    found = Takeover()
    for step in steps:
        if step.node_id not in graph.nodes or step.node_id in touched:
            continue
        if step.node_id in reopened:
            if step.status != "skipped":
                found.reopened.append(step.step_id)
        elif settled(step):
            found.kept.append(step.step_id)
    return found


def _depending(graph: Graph, anew: Collection[str]) -> tuple[set[str], set[str]]:
    """The nodes to run again, and the loops over items around some of them."""
    touched: set[str] = set()
    reopened: set[str] = set()
    todo = [node_id for node_id in anew if node_id in graph.nodes]
    while todo:
        node_id = todo.pop()
        if node_id in touched:
            continue
        touched.add(node_id)
        todo += [edge.target for edge in graph.outgoing[node_id]]
        for loop in graph.regions.around(node_id):
            if graph.nodes[loop].config.get("mode") == "while":
                todo.append(loop)
            elif loop not in reopened:
                reopened.add(loop)
                todo += [edge.target for edge in graph.outgoing[loop] if edge.handle != EACH]
    return touched, reopened - touched
