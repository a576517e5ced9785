"""Where all steps of an execution stand: what has ended, what its outputs are, whose turn has come."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.context import TriggerInput
from engine.definition import Definition, Edge, Node
from engine.errors import (
    EngineError,
    ExpressionError,
    InvalidDefinitionError,
    LoopTimeoutError,
    MissingPathError,
)
from engine.expressions import compile_condition
from engine.flow import joined
from engine.graph import graph_of
from engine.nodes import registry
from engine.nodes.base import Rounds
from engine.passes import LoopRun, Pass
from engine.ports import Iteration, StepState, Usage
from engine.regions import EACH
from engine.settings import DryRun
from engine.sizes import size_of
from engine.start import choose_trigger, pinned_handle, select
from engine.step import OPEN, WAITING, Step
from engine.stopping import Said


class Board:
    """Holds and decides, but does no work of its own.

    `record` is told of each step that it ends by itself, `fail` of each loop whose condition does not work.
    """

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
        fail: Callable[[Step, EngineError], None],
    ) -> None:
        self.graph = graph_of(definition)
        self.begun = 0
        """How many steps were ever begun."""
        self.spent = Decimal(0)
        """USD, over all steps and their attempts."""
        self.held = 0
        """Bytes of all that steps put out."""
        self._scope: dict[str, Any] = {
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
        self._fail = fail
        self._states: dict[tuple[str, Iteration], StepState] = {}
        self._known_rounds: set[tuple[str, Iteration]] = set()
        self._nodes: dict[str | None, dict[str, None]] = {
            region: dict.fromkeys(self.graph.members(region)) for region in (None, *self.graph.back)
        }
        self._first = Pass(self.graph, self._nodes[None], self._decided, scope=self._scope)
        self._passes: dict[Pass, None] = {self._first: None}
        self._places: dict[str, tuple[Step, Pass]] = {}
        self._decisions: deque[tuple[Pass, str, bool]] = deque()
        self._loops: dict[str, LoopRun] = {}
        self._due: deque[LoopRun] = deque()
        self._next_order = 1
        self.said = Said()

    def load(self, states: Sequence[StepState]) -> None:
        """Takes over what the journal holds; it is acted on when the flow comes to it."""
        for state in states:
            self._states[state.node_id, state.iteration] = state
            self._next_order = max(self._next_order, state.order + 1)
            self.begun += Step.attempts_of(state) > 0
            self.spent += state.usage.spent if state.usage else 0
            self.held += size_of(state.output)
            loop = self.graph.regions.owner.get(state.node_id)
            if loop is not None:
                self._known_rounds.add((loop, state.iteration))

    def begin(self) -> None:
        """Lets the flow start. Raises InvalidDefinitionError where it cannot."""
        if on_cycle := self.graph.on_cycle():
            raise InvalidDefinitionError("The graph has a cycle", details={"nodes": on_cycle})
        if crossing := self.graph.crossing:
            edges = [edge.id for edge in crossing]
            raise InvalidDefinitionError(
                "An edge leads out of a loop's body otherwise than back", details={"edges": edges}
            )
        if not self._complete_graph:
            raise InvalidDefinitionError("An edge leads to a node that does not exist")
        if self._dry is not None:
            self._begin_dry(self._dry)
        fired = choose_trigger(self.graph, self._trigger)
        for node_id in self.graph.order:
            if not self.graph.incoming[node_id]:
                self._first.flow.decide(node_id, fired is None or node_id == fired)

    def _begin_dry(self, dry: DryRun) -> None:
        selected = select(self.graph, dry)
        for region, nodes in self._nodes.items():
            self._nodes[region] = {node_id: None for node_id in nodes if node_id in selected}
        first = dry.node or dry.from_node
        self._first = self._first_of(dry, first)
        self._passes = {self._first: None}
        for node_id, output in dry.pins.items():
            if node_id in self.graph.nodes and node_id not in selected:
                self._first.publish(node_id, output, dry=True)
        if first is not None:
            self._first.flow.decide(first, runs=True)
        for edge in [edge for node_id in self._first.flow.nodes for edge in self.graph.incoming[node_id]]:
            if edge.source not in selected:
                node, pinned = self.graph.nodes[edge.source], edge.source in dry.pins
                live = pinned and pinned_handle(node, dry.pins[edge.source]) == edge.handle
                self._first.flow.settle_edge(edge, live or edge.target == first)

    def _first_of(self, dry: DryRun, node_id: str | None) -> Pass:
        """Where the run begins: in a loop's body it is the round of the first item that is pinned."""
        loops = list(self.graph.regions.around(node_id))
        scope = self._scope
        for loop in reversed(loops):
            pinned = dry.pins.get(loop)
            items = pinned.get("items") if isinstance(pinned, dict) else None
            scope = {**scope, "loop": {"index": 1, "index0": 0}}
            if isinstance(items, list) and items:
                scope["item"] = items[0]
        return Pass(
            self.graph,
            self._nodes[loops[0] if loops else None],
            self._decided,
            scope=scope,
            iteration=(0,) * len(loops),
        )

    def _decided(self, round_: Pass, node_id: str, runs: bool) -> None:
        self._decisions.append((round_, node_id, runs))

    @property
    def has_turns(self) -> bool:
        return bool(self._decisions or self._due)

    def turns(self, most: int) -> Iterator[Step]:
        """The steps that are to begin or to go on. What is skipped or has ended is dealt with on the way.

        Looks at so many nodes and rounds, so that a million of them keep nobody waiting.
        """
        for _ in range(most):
            if self._decisions:
                round_, node_id, runs = self._decisions.popleft()
                step = self._place(round_, node_id)
                if not runs:
                    self._skip(step)
                elif step.node.disabled:
                    self._skip(step, next(iter(self.inputs(step).values()), None), "out")
                elif step.ended:
                    self.settle(step)
                else:
                    yield step
            elif self._due:
                self._go_round(self._due.popleft())
            else:
                return

    def _place(self, round_: Pass, node_id: str) -> Step:
        step = self._step(self.graph.nodes[node_id], round_.iteration)
        round_.steps[node_id] = step
        self._places[step.id] = (step, round_)
        return step

    def _step(self, node: Node, iteration: Iteration) -> Step:
        kind = registry.kind(node.type, node.subtype)
        state = self._states.pop((node.id, iteration), None)
        if state is not None:
            return Step.restored(node, kind, state)
        step = Step(node, kind, iteration, self._next_order)
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
        round_ = self._places[step.id][1]
        self._skip_body(step)
        self.said.note(step)
        if step.handle is not None:
            round_.publish(step.node.id, step.output, dry=self._dry is not None)
        round_.flow.settle(step.node.id, step.ways, lambda edge: self._passable(edge, round_.scope))
        round_.open -= 1
        if round_.open == 0:
            self._end_round(round_)

    def _passable(self, edge: Edge, scope: Mapping[str, Any]) -> bool:
        if edge.condition is None or not edge.condition.strip():
            return True
        try:
            return compile_condition(edge.condition).holds(scope)
        except ExpressionError as error:
            message = f"The condition of the edge from {edge.source} to {edge.target}: {error.message}"
            details = {**error.details, "edge_id": edge.id, "node_id": edge.source}
            raise type(error)(message, details=details) from None

    def repeat(self, step: Step, rounds: Rounds) -> None:
        """The loop's body is run as often as is said, then the step completes."""
        loop = LoopRun(step, rounds, self._places[step.id][1])
        if rounds.condition is None and not rounds.items:
            self._end_loop(loop)
            return
        self._loops[step.id] = loop
        self._due.append(loop)

    def _go_round(self, loop: LoopRun) -> None:
        """Begins one more round, or ends the loop after the last."""
        if loop.ended or loop.full:
            return
        if late := self._late(loop):
            if loop.under_way == 0:
                loop.ended = True
                self._fail(loop.step, late)
            return
        try:
            goes_on = self._goes_on(loop)
        except ExpressionError as error:
            loop.ended = True
            details = {"node_id": loop.node_id, "field": "condition", **error.details}
            message = f"Node {loop.node_id!r}, field 'condition': {error.message}"
            self._fail(loop.step, type(error)(message, details=details))
            return
        if goes_on:
            self._begin_round(loop)
            self._due.append(loop)
        elif loop.under_way == 0:
            self._end_loop(loop)

    def _late(self, loop: LoopRun) -> LoopTimeoutError | None:
        """Looked at between rounds, those that had begun before apart: what is in them goes on first."""
        seconds, began = loop.step.node.timeout_seconds, loop.step.started_at
        if seconds is None or began is None or (self._now() - began).total_seconds() <= seconds:
            return None
        if self._is_known(loop):
            return None
        return LoopTimeoutError(
            f"The loop took longer than {seconds:g} s; no further round begins",
            details={"timeout_seconds": seconds, "rounds": loop.next},
        )

    def _goes_on(self, loop: LoopRun) -> bool:
        if loop.next >= loop.rounds.most:
            return False
        if loop.rounds.condition is None or self._is_known(loop):
            return True
        before = loop.last or loop.outer
        try:
            return compile_condition(loop.rounds.condition).holds({**before.scope, **loop.scope(loop.next)})
        except MissingPathError as error:
            root = str(error.details.get("path", "")).split(".")[0]
            if loop.last is None and root.removeprefix("node_") in self.graph.members(loop.node_id):
                return True
            raise

    def _is_known(self, loop: LoopRun) -> bool:
        """Whether an earlier worker has begun its next round."""
        return (loop.node_id, (*loop.step.iteration, loop.next)) in self._known_rounds

    def _begin_round(self, loop: LoopRun) -> None:
        index = loop.begin()
        round_ = Pass(
            self.graph,
            self._nodes[loop.node_id],
            self._decided,
            scope={**loop.outer.scope, **loop.scope(index)},
            iteration=(*loop.step.iteration, index),
            loop=loop,
        )
        round_.outputs[loop.node_id] = round_.scope.get("item")
        self._passes[round_] = None
        for edge in self.graph.outgoing[loop.node_id]:
            if edge.handle == EACH:
                round_.flow.settle_edge(edge, self._passable(edge, round_.scope))
        if not round_.open:
            self._end_round(round_)

    def _end_round(self, round_: Pass) -> None:
        loop = round_.loop
        if loop is None:
            return
        sources = round_.flow.live_sources(self.graph.back[loop.node_id])
        loop.end(round_, joined(sources, round_.outputs))
        del self._passes[round_]
        for step in round_.steps.values():
            del self._places[step.id]
            self._loops.pop(step.id, None)
        self._due.append(loop)

    def _end_loop(self, loop: LoopRun) -> None:
        loop.ended = True
        loop.step.complete(loop.output(), loop.step.goes_on, self._now())
        self._record(loop.step)
        self.settle(loop.step)

    def _skip_body(self, loop: Step) -> None:
        """Where none of its rounds began, each node of its body is skipped once, in the loop's iteration."""
        if not loop.repeats or (loop.node.id, (*loop.iteration, 0)) in self._known_rounds:
            return
        if loop.id in self._loops and self._loops[loop.id].next > 0:
            return
        for node_id in self.graph.body(loop.node.id):
            if node_id in self._nodes[self.graph.regions.owner[node_id]]:
                step = self._step(self.graph.nodes[node_id], loop.iteration)
                if step.status != "skipped":
                    step.skip(self._now())
                    self._record(step)

    def scope(self, step: Step) -> Mapping[str, Any]:
        """What the step's expressions see."""
        return self._places[step.id][1].scope

    def inputs(self, step: Step) -> Mapping[str, Any]:
        """The outputs of the live predecessors, in the order of the edges."""
        return self._places[step.id][1].inputs(step.node.id)

    def step(self, step_id: str) -> Step | None:
        return self._places[step_id][0] if step_id in self._places else None

    def add_usage(self, step: Step, usage: Usage | None) -> None:
        """Attempts add up: a failed one was paid for too."""
        step.add_usage(usage)
        self.spent += usage.spent if usage else 0

    def open_steps(self) -> list[Step]:
        return [step for round_ in self._passes for step in round_.steps.values() if step.status in OPEN]

    def waiting_steps(self) -> list[Step]:
        """What keeps an execution from its end in which nothing runs; loops wait for what is in them."""
        return [step for step in self.open_steps() if step.status != "running"]

    def output(self) -> Any:
        """What the execution as a whole comes to."""
        if self.said.speaks:
            return self.said.output
        steps = self._first.steps
        done = {node_id for node_id, step in steps.items() if step.status in ("completed", "failed")}
        return joined(self._first.flow.ends(done), self._first.outputs)

    def close(self) -> None:
        """The execution ends early: what is open is cancelled, what has not begun is skipped."""
        for step in [step for round_ in self._passes for step in round_.steps.values()]:
            if step.status == "failed" and step.handle is None:
                self._skip_body(step)
        for step in [*self.open_steps(), *self._not_begun()]:
            if step.status not in OPEN:
                continue
            if step.attempt > 0 or step.status in WAITING:
                step.cancel(self._now())
            else:
                step.skip(self._now())
            self._record(step)
            self._skip_body(step)

    def _not_begun(self) -> Iterable[Step]:
        remaining = [(round_, node_id) for round_, node_id, _ in self._decisions]
        remaining += [(each, node_id) for each in self._passes for node_id in each.flow.undecided()]
        self._decisions.clear()
        self._due.clear()
        return [self._step(self.graph.nodes[node_id], round_.iteration) for round_, node_id in remaining]
