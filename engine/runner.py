"""Runs one execution of a definition, from wherever its journal says it stands."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from engine.attempt import InternalError, bounded, checked, plain, rendered, sorted_error, stop
from engine.context import Context, TriggerInput
from engine.definition import Definition, Edge
from engine.errors import (
    EngineError,
    ExecutionTimeoutError,
    ExpressionError,
    InvalidDefinitionError,
    LimitExceededError,
    UnknownKindError,
)
from engine.events import STATE_KEY, error_json
from engine.expressions import DryOutput, compile_condition
from engine.flow import Decision, Flow, output_of
from engine.graph import Graph
from engine.nodes import registry
from engine.nodes.base import Park, Result
from engine.outcome import Ended, Outcome, Parked, Released
from engine.ports import ExecutionEnd, Iteration, LogEntry, Ports, Signal, StepState, StepStatus, WaitingFor
from engine.retry import Jitter, full_jitter, pause, policy
from engine.settings import DryRun, RunSettings
from engine.start import choose_trigger, pinned_handle, select
from engine.step import OPEN, WAITING, Step
from engine.waiting import longest_wait
from engine.writer import Writer

IDLE_SECONDS = 5.0
"""A worker with nothing else to do waits so long for a timer; for longer ones the execution is parked."""
STEPS_BETWEEN_YIELDS = 20
ROOT: Iteration = ()

Message = Callable[[], None]


class Runner:
    """One worker's time with one execution. Use it once; all methods belong to the loop that runs `run`."""

    def __init__(
        self,
        definition: Definition,
        ports: Ports,
        *,
        execution_id: str,
        trigger: TriggerInput,
        settings: RunSettings | None = None,
        dry_run: DryRun | None = None,
        jitter: Jitter = full_jitter,
    ) -> None:
        self._graph = Graph(definition)
        self._definition = definition
        self._ports = ports
        self._clock = ports.clock
        self._execution_id = execution_id
        self._trigger = trigger
        self._settings = settings or RunSettings()
        self._dry = dry_run
        self._jitter = jitter
        self._writer = Writer(ports.journal)
        self._flow = Flow(self._graph)
        self._states: dict[tuple[str, Iteration], StepState] = {}
        self._steps: dict[str, Step] = {}
        self._by_id: dict[str, Step] = {}
        self._next_order = 1
        self._started_steps = 0
        self._outputs: dict[str, Any] = {}
        self._scope: dict[str, Any] = {
            "trigger": trigger.scope(),
            "execution": {
                "id": execution_id,
                "triggered_by": trigger.triggered_by,
                "dry_run": dry_run is not None,
            },
        }
        self._ready: deque[Step] = deque()
        self._tasks: dict[asyncio.Future[Any], Step] = {}
        self._timers: dict[str, asyncio.Future[None]] = {}
        self._inbox: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._began = self._clock.now()
        self._failure: dict[str, Any] | None = None
        self._cancelled = False
        self._releasing = False
        self._grace_over = False

    # What the host may do while it runs.

    def cancel(self) -> None:
        """Stops what is in flight, marks every open step and ends the execution as cancelled."""
        self._post(self._mark_cancelled)

    def deliver(self, signals: Sequence[Signal]) -> None:
        """Resumes waiting steps. A signal for a step that no longer waits is ignored."""
        taken = list(signals)
        self._post(lambda: self._take_signals(taken))

    def release(self, grace_seconds: float = 5.0) -> None:
        """Takes no new step; lets those in flight finish that do within the grace, and abandons the rest."""
        self._post(lambda: self._begin_release(grace_seconds))

    @property
    def elapsed_seconds(self) -> float:
        """What was spent on this execution so far, earlier workers included, waiting not."""
        return self._settings.elapsed_seconds + (self._clock.now() - self._began).total_seconds()

    async def run(self) -> Outcome:
        """Runs until the end, a wait or a release. Raises what the journal raises, like LeaseLostError."""
        try:
            return await self._run()
        finally:
            self._stop_timers()
            await stop(set(self._tasks))

    # The coordinator: everything below runs in the one coroutine, but for the steps' own work.

    async def _run(self) -> Outcome:
        self._began = self._clock.now()
        for state in await self._ports.journal.load():
            self._states[state.node_id, state.iteration] = state
            self._next_order = max(self._next_order, state.order + 1)
        self._watch_deadline()
        try:
            self._begin()
        except EngineError as error:
            self._fail_execution(error, None)
        while True:
            self._read_inbox()
            if not self._over and not self._releasing:
                await self._start_ready()
            if self._cancelled:
                return await self._end("cancelled")
            if self._failure is not None:
                return await self._end("failed")
            if not self._tasks and not self._ready and not self._flow.decisions and not self._inbox:
                if not (waiting := self._open_steps()):
                    return await self._end("completed")
                if (until := longest_wait(waiting, self._clock.now(), IDLE_SECONDS)) is not None:
                    self._stop_timers()
                    signals = await self._writer.park(until)
                    if not signals:
                        return Parked(until)
                    self._take_signals(signals)
                    continue
            if self._releasing and (self._grace_over or not self._tasks):
                await stop(set(self._tasks))
                self._tasks.clear()
                self._read_inbox()
                await self._writer.flush()
                return Released()
            await self._pause()

    @property
    def _over(self) -> bool:
        return self._cancelled or self._failure is not None

    def _open_steps(self) -> list[Step]:
        return [step for step in self._steps.values() if step.status in OPEN]

    def _begin(self) -> None:
        if on_cycle := self._graph.on_cycle():
            raise InvalidDefinitionError("The graph has a cycle", details={"nodes": on_cycle})
        if len(self._graph.edges) < len(self._definition.edges):
            raise InvalidDefinitionError("An edge leads to a node that does not exist")
        if self._dry is not None:
            self._begin_dry(self._dry)
        fired = choose_trigger(self._graph, self._trigger)
        for node_id in self._graph.order:
            if not self._graph.incoming[node_id]:
                self._flow.decide(node_id, fired is None or node_id == fired)

    def _begin_dry(self, dry: DryRun) -> None:
        selected = select(self._graph, dry)
        self._flow = Flow(self._graph, selected)
        for node_id in self._graph.nodes:
            if node_id not in selected and node_id in dry.pins:
                self._publish(node_id, dry.pins[node_id])
        first = dry.node or dry.from_node
        if first is not None:
            self._flow.decide(first, runs=True)
        for edge in self._graph.edges:
            if edge.target in selected and edge.source not in selected:
                node = self._graph.nodes[edge.source]
                pinned = edge.source in dry.pins
                live = pinned and pinned_handle(node, dry.pins[edge.source]) == edge.handle
                self._flow.settle_edge(edge, live or edge.target == first)

    # Decisions: a node's turn has come.

    async def _start_ready(self) -> None:
        """Runs everything that only computes, and starts the rest once its beginning is journalled."""
        slow: list[tuple[Step, Callable[[], asyncio.Future[Any]]]] = []
        count = 0
        while (self._flow.decisions or self._ready) and not self._over:
            while self._flow.decisions:
                self._decide(self._flow.decisions.popleft())
            if not self._ready:
                continue
            step = self._ready.popleft()
            start = await self._start(step)
            if start is not None:
                slow.append((step, start))
            count += 1
            if count % STEPS_BETWEEN_YIELDS == 0:
                await asyncio.sleep(0)
                self._read_inbox()
            if self._writer.full:
                await self._writer.flush()
        if slow and not self._over:
            await self._writer.flush()
            for step, start in slow:
                task = start()
                self._tasks[task] = step
                task.add_done_callback(self._task_done)

    def _decide(self, decision: Decision) -> None:
        node = decision.node
        state = self._states.get((node.id, ROOT))
        kind = registry.kind(node.type, node.subtype)
        if state is None:
            step = Step(node, kind, ROOT, self._next_order)
            self._next_order += 1
        else:
            step = Step.restored(node, kind, state)
        self._steps[node.id] = self._by_id[step.id] = step
        if not decision.runs:
            self._skip(step)
        elif node.disabled:
            sources = self._flow.live_sources(node.id)
            passed = next((self._outputs[source] for source in sources if source in self._outputs), None)
            self._skip(step, passed, "out")
        elif step.status == "completed" or (step.status == "failed" and step.handle is not None):
            self._started_steps += 1
            self._settle(step)
        else:
            self._take_up(step)

    def _take_up(self, step: Step) -> None:
        """Begins a step, or goes on with it where an earlier worker left it."""
        if step.attempt > 0:
            self._started_steps += 1
        if step.status in WAITING and step.waiting_for is not None and step.waiting_for.kind != "budget":
            if step.signal is not None:
                self._ready.append(step)
            else:
                self._set_timer(step)
        elif step.status == "retrying":
            self._set_timer(step)
        elif step.status == "running" and self._must_not_repeat(step):
            error = error_json(
                "INTERRUPTED",
                "The worker stopped while this step ran; its effect may or may not have happened",
                step.node.id,
                {},
            )
            step.park("uncertain", self._waiting_for(step, WaitingFor("uncertain")), error)
            self._record(step)
        else:
            self._ready.append(step)

    def _must_not_repeat(self, step: Step) -> bool:
        return (
            step.node.repeat == "never"
            and step.kind is not None
            and step.kind.side_effect
            and self._dry is None
        )

    def _skip(self, step: Step, output: Any = None, handle: str | None = None) -> None:
        known = step.status == "skipped"
        step.skip(self._clock.now(), output=output, handle=handle)
        if not known:
            self._record(step)
        self._settle(step)

    def _settle(self, step: Step) -> None:
        """The step has ended; what it came to is there for the others from now on."""
        if step.handle is not None:
            self._publish(step.node.id, step.output)
        try:
            self._flow.settle(step.node.id, lambda edge: self._alive(step, edge))
        except EngineError as error:
            self._fail_execution(error, step.node.id)

    def _alive(self, step: Step, edge: Edge) -> bool:
        if step.handle is None or edge.handle != step.handle:
            return False
        if edge.condition is None or not edge.condition.strip():
            return True
        try:
            return compile_condition(edge.condition).holds(self._scope)
        except ExpressionError as error:
            message = f"The condition of the edge from {edge.source} to {edge.target}: {error.message}"
            raise type(error)(message, details={**error.details, "edge_id": edge.id}) from None

    def _publish(self, node_id: str, output: Any) -> None:
        if self._dry is not None and isinstance(output, dict) and output.get("dry_run") is True:
            output = DryOutput(output)
        self._outputs[node_id] = output
        self._scope[f"node_{node_id}"] = {"output": output}

    # Steps.

    async def _start(self, step: Step) -> Callable[[], asyncio.Future[Any]] | None:
        """Runs an instant step to its end; of another one gives back what will begin its work."""
        signal = step.signal
        if step.status == "uncertain" and signal is not None:
            self._resolve(step, signal)
            return None
        resuming = signal is not None and step.status in WAITING
        try:
            if step.kind is None:
                raise UnknownKindError(f"There is no node kind {step.node.kind}")
            if resuming:
                config = checked(step.kind, step.input or {})
            else:
                if step.attempt == 0:
                    self._count_step()
                step.begin(self._clock.now())
                pin = self._pin(step)
                if pin is not None:
                    self._record(step)
                    self._complete(step, pin)
                    return None
                step.input = rendered(step.node, step.kind, self._scope)
                config = checked(step.kind, step.input)
        except LimitExceededError as error:
            self._fail_execution(error, step.node.id)
            return None
        except EngineError as error:
            if step.status == "running":
                self._record(step)
            self._fail_step(step, error)
            return None
        context = self._context(step)
        if not resuming and self._over_budget(step, config, context):
            return None
        if not resuming:
            self._record(step)
        kind = step.kind

        def work() -> Any:
            if resuming:
                assert signal is not None
                return kind.resume(config, context, signal, step.parked_state)
            return kind.run(config, context) if self._dry is None else kind.dry(config, context)

        if kind.instant:
            try:
                outcome = await work()
            except Exception as error:
                self._take_error(step, context, error)
            else:
                self._take_result(step, context, outcome)
            return None
        seconds = step.node.timeout_seconds or kind.timeout_seconds

        async def bounded_work() -> tuple[Context, Any]:
            try:
                return context, await bounded(self._clock, seconds, work())
            except Exception as error:
                return context, error

        return lambda: asyncio.ensure_future(bounded_work())

    def _count_step(self) -> None:
        self._started_steps += 1
        most = self._settings.max_steps
        if most is not None and self._started_steps > most:
            raise LimitExceededError(
                f"This execution may have {most} steps at most", details={"max_steps": most}
            )

    def _pin(self, step: Step) -> Result | None:
        if self._dry is None or step.node.id not in self._dry.pins or step.kind is None:
            return None
        if step.node.id == self._dry.node and not step.kind.side_effect:
            return None
        output = self._dry.pins[step.node.id]
        return Result(output, pinned_handle(step.node, output))

    def _over_budget(self, step: Step, config: Any, context: Context) -> bool:
        """Parks the step before a call that would break the budget."""
        most = self._settings.max_cost
        if most is None or step.kind is None or not step.kind.spends:
            return False
        spent = sum((each.cost for each in self._steps.values()), Decimal(0))
        estimate = step.kind.estimate(config, context)
        if spent < most and spent + estimate <= most:
            return False
        step.attempt -= 1
        details = {"spent": format(spent, "f"), "max_cost": format(most, "f")}
        step.park("waiting", self._waiting_for(step, WaitingFor("budget", None, details)))
        self._record(step)
        return True

    def _context(self, step: Step) -> Context:
        return Context(
            self._ports,
            self._log,
            execution_id=self._execution_id,
            step_id=step.id,
            node_id=step.node.id,
            iteration=step.iteration,
            attempt=step.attempt,
            trigger=self._trigger,
            inputs={
                source: self._outputs[source]
                for source in self._flow.live_sources(step.node.id)
                if source in self._outputs
            },
            dry_run=self._dry is not None,
        )

    def _task_done(self, task: "asyncio.Future[Any]") -> None:
        self._post(lambda: self._take_task(task))

    def _take_task(self, task: "asyncio.Future[Any]") -> None:
        step = self._tasks.pop(task, None)
        if step is None:
            return
        if task.cancelled():
            self._fail_step(step, InternalError("The step stopped itself"))
            return
        context, outcome = task.result()
        if isinstance(outcome, Exception):
            self._take_error(step, context, outcome)
        else:
            self._take_result(step, context, outcome)

    def _take_result(self, step: Step, context: Context, outcome: Result | Park) -> None:
        step.add_usage(context.usage)
        if isinstance(outcome, Result):
            self._complete(step, outcome)
            return
        wanted = outcome.waiting_for
        if outcome.state is not None:
            details = {**wanted.details, STATE_KEY: outcome.state}
            wanted = WaitingFor(wanted.kind, wanted.until, details)
        status: StepStatus = "waiting_approval" if wanted.kind == "approval" else "waiting"
        step.park(status, self._waiting_for(step, wanted))
        self._record(step)
        self._set_timer(step)

    def _take_error(self, step: Step, context: Context, error: Exception) -> None:
        step.add_usage(context.usage)
        self._fail_step(step, sorted_error(error))

    def _complete(self, step: Step, result: Result) -> None:
        step.add_usage(result.usage)
        step.complete(plain(result.output), result.handle, self._clock.now())
        self._record(step)
        self._settle(step)

    def _fail_step(self, step: Step, error: EngineError) -> None:
        details = error_json(error.code, error.message, step.node.id, error.details)
        if self._must_not_repeat(step) and error.effect_unknown:
            step.park("uncertain", self._waiting_for(step, WaitingFor("uncertain")), details)
            self._record(step)
            return
        seconds = pause(policy(step.node, self._settings), step.attempt, error, self._jitter)
        if seconds is not None:
            step.try_again(details, self._clock.now() + timedelta(seconds=seconds))
            self._record(step)
            self._set_timer(step)
            return
        self._give_up(step, details)

    def _give_up(self, step: Step, error: dict[str, Any]) -> None:
        on_error = step.node.on_error
        if on_error == "fail":
            step.fail(error, self._clock.now(), output=None, handle=None)
            self._record(step)
            self._failure = self._failure or error
            return
        output = {"error": {"code": error["code"], "message": error["message"]}}
        handle = "out" if on_error == "continue" else "error"
        step.fail(error, self._clock.now(), output=output, handle=handle)
        self._record(step)
        self._settle(step)

    def _resolve(self, step: Step, signal: Mapping[str, Any]) -> None:
        """Somebody found out what became of an uncertain step."""
        outcome = signal.get("outcome")
        if outcome == "done":
            output = signal.get("output")
            self._complete(step, Result(output, pinned_handle(step.node, output)))
        elif outcome == "retry":
            step.status, step.signal, step.waiting_for = "pending", None, None
            self._ready.append(step)
        else:
            self._give_up(step, dict(step.error or error_json("UNCERTAIN", "", step.node.id, {})))

    def _fail_execution(self, error: EngineError, node_id: str | None) -> None:
        self._failure = self._failure or error_json(error.code, error.message, node_id, error.details)

    def _waiting_for(self, step: Step, waiting_for: WaitingFor) -> WaitingFor:
        details = {**waiting_for.details, "step_id": step.id, "node_id": step.node.id}
        return WaitingFor(waiting_for.kind, waiting_for.until, details)

    def _record(self, step: Step) -> None:
        self._writer.add(step.change(self._clock.now()))

    def _log(self, entry: LogEntry) -> None:
        self._writer.add(entry)
        self._wake.set()

    # Messages, timers and the end.

    def _post(self, message: Message) -> None:
        self._inbox.append(message)
        self._wake.set()

    def _read_inbox(self) -> None:
        while self._inbox:
            self._inbox.popleft()()

    async def _pause(self) -> None:
        """Waits for news; what is known by now is written first, so that it is seen."""
        if self._writer.pending:
            await self._writer.flush()
        if not self._inbox:
            await self._wake.wait()
        self._wake.clear()

    def _mark_cancelled(self) -> None:
        self._cancelled = True

    def _begin_release(self, grace_seconds: float) -> None:
        self._releasing = True
        self._alarm("release", grace_seconds, self._end_grace)

    def _end_grace(self) -> None:
        self._grace_over = True

    def _take_signals(self, signals: Sequence[Signal]) -> None:
        for signal in signals:
            step = self._by_id.get(signal.step_id)
            if step is not None and step.status in WAITING and step.signal is None:
                step.signal = signal.payload
                self._ready.append(step)
        for step in self._steps.values():
            self._set_timer(step)

    def _watch_deadline(self) -> None:
        seconds = self._settings.timeout_seconds
        if seconds is not None:
            error = ExecutionTimeoutError(
                f"This execution took longer than {seconds:g} s", details={"timeout_seconds": seconds}
            )
            remaining = seconds - self._settings.elapsed_seconds
            self._alarm("deadline", remaining, lambda: self._fail_execution(error, None))

    def _set_timer(self, step: Step) -> None:
        due = step.due
        if due is not None and step.signal is None and step.id not in self._timers:
            seconds = (due - self._clock.now()).total_seconds()
            self._alarm(step.id, seconds, lambda: self._ring(step))

    def _ring(self, step: Step) -> None:
        if step.due is None or step.signal is not None:
            return
        if step.status == "waiting":
            step.signal = {"kind": "timer"}
        else:
            step.status = "pending"
        self._ready.append(step)

    def _alarm(self, name: str, seconds: float, then: Message) -> None:
        async def ring() -> None:
            await self._clock.sleep(max(0.0, seconds))
            self._timers.pop(name, None)
            self._post(then)

        self._timers[name] = asyncio.ensure_future(ring())

    def _stop_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    async def _end(self, status: Any) -> Ended:
        if status != "completed":
            await self._close_open()
        self._stop_timers()
        now = self._clock.now()
        output = None
        if status == "completed":
            done = {node for node, step in self._steps.items() if step.status in ("completed", "failed")}
            output = output_of(self._flow.ends(done), self._outputs)
        end = ExecutionEnd(status, now, output, self._failure if status == "failed" else None)
        await self._writer.finish(end)
        return Ended(end)

    async def _close_open(self) -> None:
        """What is in flight is cancelled, what has not begun is skipped."""
        running = set(self._tasks)
        self._tasks.clear()
        await stop(running)
        now = self._clock.now()
        for step in self._open_steps():
            if step.attempt > 0 or step.status in WAITING:
                step.cancel(now)
            else:
                step.skip(now)
            self._record(step)
        waiting = [decision.node for decision in self._flow.decisions]
        for node in [*waiting, *self._flow.undecided()]:
            state = self._states.get((node.id, ROOT))
            if state is not None and state.status not in OPEN:
                continue
            if state is None:
                step = Step(node, None, ROOT, self._next_order)
                self._next_order += 1
            else:
                step = Step.restored(node, None, state)
            if state is not None and state.status != "pending":
                step.cancel(now)
            else:
                step.skip(now)
            self._record(step)
