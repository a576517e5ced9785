"""Where all steps of an execution stand: what has ended, what its outputs are, whose turn has come."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.context import TriggerInput
from engine.definition import Definition, Edge, Node
from engine.errors import ExpressionError, InvalidDefinitionError
from engine.expressions import DryOutput, compile_condition
from engine.flow import Flow, output_of
from engine.graph import Graph
from engine.nodes import registry
from engine.ports import Iteration, StepState
from engine.settings import DryRun
from engine.start import choose_trigger, pinned_handle, select
from engine.step import OPEN, WAITING, Step

ROOT: Iteration = ()


class Board:
    """Holds and decides, but does no work of its own. `record` is told of each step that it skips."""

    def __init__(
        self,
        definition: Definition,
        *,
        execution_id: str,
        trigger: TriggerInput,
        dry_run: DryRun | None,
        variables: Mapping[str, Any],
        now: Callable[[], datetime],
        record: Callable[[Step], None],
    ) -> None:
        self.graph = Graph(definition)
        self.scope: dict[str, Any] = {
            "trigger": trigger.scope(),
            "execution": {
                "id": execution_id,
                "triggered_by": trigger.triggered_by,
                "dry_run": dry_run is not None,
            },
            "vars": dict(variables),
        }
        self._complete_graph = len(self.graph.edges) == len(definition.edges)
        self._trigger = trigger
        self._dry = dry_run
        self._now = now
        self._record = record
        self._flow = Flow(self.graph)
        self._states: dict[tuple[str, Iteration], StepState] = {}
        self._steps: dict[str, Step] = {}
        self._by_id: dict[str, Step] = {}
        self._outputs: dict[str, Any] = {}
        self._next_order = 1

    def load(self, states: Sequence[StepState]) -> None:
        """Takes over what the journal holds; it is acted on when the flow comes to it."""
        for state in states:
            self._states[state.node_id, state.iteration] = state
            self._next_order = max(self._next_order, state.order + 1)

    def begin(self) -> None:
        """Lets the flow start. Raises InvalidDefinitionError where it cannot."""
        if on_cycle := self.graph.on_cycle():
            raise InvalidDefinitionError("The graph has a cycle", details={"nodes": on_cycle})
        if not self._complete_graph:
            raise InvalidDefinitionError("An edge leads to a node that does not exist")
        if self._dry is not None:
            self._begin_dry(self._dry)
        fired = choose_trigger(self.graph, self._trigger)
        for node_id in self.graph.order:
            if not self.graph.incoming[node_id]:
                self._flow.decide(node_id, fired is None or node_id == fired)

    def _begin_dry(self, dry: DryRun) -> None:
        selected = select(self.graph, dry)
        self._flow = Flow(self.graph, selected)
        for node_id, output in dry.pins.items():
            if node_id in self.graph.nodes and node_id not in selected:
                self._publish(node_id, output)
        first = dry.node or dry.from_node
        if first is not None:
            self._flow.decide(first, runs=True)
        for edge in self.graph.edges:
            if edge.target in selected and edge.source not in selected:
                node, pinned = self.graph.nodes[edge.source], edge.source in dry.pins
                live = pinned and pinned_handle(node, dry.pins[edge.source]) == edge.handle
                self._flow.settle_edge(edge, live or edge.target == first)

    @property
    def has_turns(self) -> bool:
        return bool(self._flow.decisions)

    def turns(self) -> Iterator[Step]:
        """The steps that are to begin or to go on. What is skipped or has ended is dealt with on the way."""
        while self._flow.decisions:
            decision = self._flow.decisions.popleft()
            step = self._step(decision.node)
            self._steps[step.node.id] = self._by_id[step.id] = step
            if not decision.runs:
                self._skip(step)
            elif step.node.disabled:
                self._skip(step, next(iter(self.inputs(step).values()), None), "out")
            elif step.ended:
                self.settle(step)
            else:
                yield step

    def _step(self, node: Node) -> Step:
        kind = registry.kind(node.type, node.subtype)
        state = self._states.get((node.id, ROOT))
        if state is not None:
            return Step.restored(node, kind, state)
        step = Step(node, kind, ROOT, self._next_order)
        self._next_order += 1
        return step

    def _skip(self, step: Step, output: Any = None, handle: str | None = None) -> None:
        known = step.status == "skipped"
        step.skip(self._now(), output=output, handle=handle)
        if not known:
            self._record(step)
        self.settle(step)

    def settle(self, step: Step) -> None:
        """The step has ended: its output is there for the others, its edges are live or dead.

        Raises ExpressionError where the condition of an edge cannot be evaluated.
        """
        if step.handle is not None:
            self._publish(step.node.id, step.output)
        self._flow.settle(step.node.id, lambda edge: self._alive(step, edge))

    def _alive(self, step: Step, edge: Edge) -> bool:
        if step.handle is None or edge.handle != step.handle:
            return False
        if edge.condition is None or not edge.condition.strip():
            return True
        try:
            return compile_condition(edge.condition).holds(self.scope)
        except ExpressionError as error:
            message = f"The condition of the edge from {edge.source} to {edge.target}: {error.message}"
            details = {**error.details, "edge_id": edge.id, "node_id": edge.source}
            raise type(error)(message, details=details) from None

    def _publish(self, node_id: str, output: Any) -> None:
        if self._dry is not None and isinstance(output, dict) and output.get("dry_run") is True:
            output = DryOutput(output)
        self._outputs[node_id] = output
        self.scope[f"node_{node_id}"] = {"output": output}

    def inputs(self, step: Step) -> Mapping[str, Any]:
        """The outputs of the live predecessors, in the order of the edges."""
        return {
            source: self._outputs[source]
            for source in self._flow.live_sources(step.node.id)
            if source in self._outputs
        }

    def step(self, step_id: str) -> Step | None:
        return self._by_id.get(step_id)

    def open_steps(self) -> list[Step]:
        return [step for step in self._steps.values() if step.status in OPEN]

    @property
    def begun(self) -> int:
        """How many steps were ever begun."""
        return sum(step.attempt > 0 for step in self._steps.values())

    @property
    def spent(self) -> Decimal:
        """USD, over all steps and their attempts."""
        return sum((step.cost for step in self._steps.values()), Decimal(0))

    def output(self) -> Any:
        """What the execution as a whole comes to."""
        done = {node_id for node_id, step in self._steps.items() if step.status in ("completed", "failed")}
        return output_of(self._flow.ends(done), self._outputs)

    def close(self) -> None:
        """The execution ends early: what is open is cancelled, what has not begun is skipped."""
        remaining = [decision.node for decision in self._flow.decisions] + self._flow.undecided()
        self._flow.decisions.clear()
        for step in [*self.open_steps(), *map(self._step, remaining)]:
            if step.status not in OPEN:
                continue
            if step.attempt > 0 or step.status in WAITING:
                step.cancel(self._now())
            else:
                step.skip(self._now())
            self._record(step)
