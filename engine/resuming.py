"""What becomes of an execution's steps when it is to go on after its end, or on another version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.definition import Definition
from engine.graph import Graph
from engine.nodes import registry
from engine.ports import Iteration, StepState
from engine.regions import LOOP
from engine.step import OPEN

Reason = Literal["missing", "kind", "disabled", "edges", "loop", "trigger"]
Fate = Literal["pending", "running", "cancelled", "forgotten"]


@dataclass(frozen=True, slots=True)
class Misfit:
    """A node that has run and is not what it was, so that what is recorded of it says nothing any more."""

    node_id: str
    reason: Reason


def misfits(before: Definition, after: Definition, steps: Sequence[StepState]) -> list[Misfit]:
    """The nodes of steps that have ended for good and that `after` does not have as `before` had them."""
    old, new = Graph(before), Graph(after)
    ran = dict.fromkeys(step.node_id for step in steps if settled(step))
    found = [Misfit(node_id, reason) for node_id in ran if (reason := _differs(old, new, node_id))]
    if bool(list(before.triggers())) != bool(list(after.triggers())):
        # Where a run begins is decided by the triggers alone.
        named = {misfit.node_id for misfit in found}
        roots = [node_id for node_id in ran if node_id not in named and not new.incoming[node_id]]
        found += [Misfit(node_id, "trigger") for node_id in roots]
    return found


def fates(before: Definition, after: Definition, steps: Sequence[StepState]) -> dict[str, Fate]:
    """By step id, the steps that do not stay as they are.

    `pending` ones begin anew, `running` ones go on with what they began (a loop with its rounds) or, where
    their effect may have happened and must not be repeated, are left to a person. `cancelled`: open, and not
    in the graph any more. `forgotten`: skipped with a loop that is to run after all.
    """
    old, new = Graph(before), Graph(after)
    ended = {(step.node_id, step.iteration) for step in steps if settled(step)}
    repeated = _repeated(old, steps)
    found: dict[str, Fate] = {}
    for step in steps:
        if settled(step):
            continue
        node = new.nodes.get(step.node_id)
        if step.status == "skipped":
            loop = _skipped_with(old, step)
            if loop is not None and loop not in ended:
                found[step.step_id] = "forgotten"
        elif node is None:
            if step.status in OPEN:
                found[step.step_id] = "cancelled"
        elif step.status not in OPEN or _differs(old, new, step.node_id):
            goes_on = node.kind == LOOP and (step.node_id, step.iteration) in repeated
            found[step.step_id] = "running" if goes_on or _interrupted(new, step) else "pending"
    return found


def settled(step: StepState) -> bool:
    """Whether the flow went on from it; it is never run again."""
    return step.status == "completed" or (step.status == "failed" and step.handle is not None)


def _differs(old: Graph, new: Graph, node_id: str) -> Reason | None:
    if node_id not in new.nodes or node_id not in old.nodes:
        return "missing"
    before, after = old.nodes[node_id], new.nodes[node_id]
    if before.kind != after.kind:
        return "kind"
    if before.disabled != after.disabled:
        return "disabled"
    if list(old.regions.around(node_id)) != list(new.regions.around(node_id)):
        return "loop"
    return None if _ways_in(old, node_id) == _ways_in(new, node_id) else "edges"


def _ways_in(graph: Graph, node_id: str) -> set[tuple[str, str, str]]:
    return {(edge.source, edge.handle, edge.condition or "") for edge in graph.incoming[node_id]}


def _repeated(graph: Graph, steps: Sequence[StepState]) -> set[tuple[str | None, Iteration]]:
    """The loops of which a round has begun."""
    owner: Mapping[str, str | None] = graph.regions.owner
    depth = {node_id: len(list(graph.regions.around(node_id))) for node_id in owner}
    return {
        (owner[step.node_id], step.iteration[:-1])
        for step in steps
        if step.node_id in owner and step.iteration and len(step.iteration) == depth[step.node_id]
    }


def _skipped_with(graph: Graph, step: StepState) -> tuple[str, Iteration] | None:
    """The loop without rounds with which the step was skipped."""
    if step.node_id not in graph.nodes:
        return None
    loops = list(graph.regions.around(step.node_id))[::-1]
    place = len(step.iteration)
    return (loops[place], step.iteration) if place < len(loops) else None


def _interrupted(graph: Graph, step: StepState) -> bool:
    """Whether it was stopped while it ran, and nobody may simply run it again."""
    node = graph.nodes[step.node_id]
    kind = registry.kind(node.type, node.subtype)
    if node.repeat != "never" or kind is None or not kind.side_effect or step.started_at is None:
        return False
    error: Mapping[str, Any] = step.error or {}
    # What a step fails with names its node; otherwise the run as a whole was given up.
    return step.status == "cancelled" or (step.status == "failed" and error.get("node_id") is None)
