"""Runs one execution of a definition, from wherever its journal says it stands."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.alarms import Alarms
from engine.attempt import InternalError, bounded, outcome_of, sorted_error, stop
from engine.board import Board
from engine.context import TriggerInput
from engine.definition import Definition
from engine.endings import Endings
from engine.errors import EngineError, ExecutionTimeoutError, LimitExceededError
from engine.events import error_json
from engine.masking import MaskedEvents, Masker
from engine.nodes.base import Outcome as StepOutcome
from engine.nodes.base import Result
from engine.outcome import Ended, Outcome, Parked, Released
from engine.ports import ExecutionEnd, ExecutionEndStatus, LogEntry, Ports, Signal, WaitingFor
from engine.preparation import Preparation, Prepared
from engine.retry import Jitter, full_jitter
from engine.secrets import MaskedSecrets
from engine.settings import DryRun, RunSettings
from engine.step import WAITING, Step
from engine.stopping import stop_error
from engine.waiting import overall_wait, rings_soon
from engine.writer import Writer

STEPS_BETWEEN_YIELDS = 20
STEPS_AT_A_TIME = 100
"""Steps that only compute, after which those that take a while are begun."""


class Runner:
    """One worker's time with one execution. Use it once; all methods belong to the loop that runs `run`.

    Everything is decided and written in the one coroutine of `run`; steps that take a while work in tasks of
    their own and report to its inbox, as do timers and the host.
    """

    def __init__(
        self,
        definition: Definition,
        ports: Ports,
        *,
        execution_id: str,
        trigger: TriggerInput,
        settings: RunSettings | None = None,
        dry_run: DryRun | None = None,
        variables: Mapping[str, Any] | None = None,
        jitter: Jitter = full_jitter,
    ) -> None:
        self._masker = Masker()
        ports = replace(
            ports,
            events=MaskedEvents(ports.events, self._masker),
            secrets=MaskedSecrets(ports.secrets, self._masker),
        )
        self._ports = ports
        self._clock = ports.clock
        self._settings = settings or RunSettings()
        self._dry = dry_run
        self._writer = Writer(ports.journal)
        self._alarms = Alarms(ports.clock)
        self._board = Board(
            definition,
            execution_id=execution_id,
            trigger=trigger,
            dry_run=dry_run,
            variables=variables or {},
            now=ports.clock.now,
            record=lambda step: self._endings.record(step),
            fail=lambda step, error: self._endings.fail(step, error),
        )
        self._endings = Endings(
            self._board,
            self._writer,
            self._masker,
            ports.clock,
            self._settings,
            jitter,
            again=self._go_on,
            give_up=self._fail_execution,
        )
        self._preparation = Preparation(
            self._board,
            ports,
            self._log,
            execution_id=execution_id,
            trigger=trigger,
            settings=self._settings,
            dry_run=dry_run,
            masker=self._masker,
        )
        self._ready: deque[Step] = deque()
        self._tasks: dict[asyncio.Future[Any], Prepared] = {}
        self._inbox: deque[Callable[[], None]] = deque()
        self._wake = asyncio.Event()
        self._began = self._clock.now()
        self._failure: Mapping[str, Any] | None = None
        self._cancelled = False
        self._releasing = False
        self._grace_over = False

    def cancel(self) -> None:
        """Stops what is in flight, marks every open step and ends the execution as cancelled."""
        self._post(self._mark_cancelled)

    def deliver(self, signals: Sequence[Signal]) -> None:
        """Resumes waiting steps. A signal for a step that does not wait any more is ignored."""
        taken = list(signals)
        self._post(lambda: self._take_signals(taken))

    def release(self, grace_seconds: float = 5.0) -> None:
        """Begins no new step; lets those in flight finish that do within the grace, and abandons the rest."""
        self._post(lambda: self._begin_release(grace_seconds))

    @property
    def elapsed_seconds(self) -> float:
        """What was spent on this execution so far, earlier workers included, waiting not."""
        return self._settings.elapsed_seconds + (self._clock.now() - self._began).total_seconds()

    async def run(self) -> Outcome:
        """Runs until the end, a wait or a release. Raises what the journal raises, like LeaseLostError."""
        try:
            self._began = self._clock.now()
            states = await self._ports.journal.load()
            if states:
                await self._ports.secrets.used()
            self._board.load(states)
            self._endings.guarded(self._board.begin)
            while True:
                outcome = await self._advance()
                if outcome is not None:
                    return outcome
        finally:
            self._alarms.stop()
            await self._abandon()

    async def _advance(self) -> Outcome | None:
        """One round: hear the news, begin what can begin, and end, park or wait."""
        self._read_inbox()
        self._ensure_in_time()
        if not self._over and not self._releasing:
            await self._start_ready()
        if self._over:
            return await self._end_early()
        if not (self._tasks or self._ready or self._board.has_turns or self._inbox):
            waiting = self._board.waiting_steps()
            if not waiting:
                return await self._end("completed")
            if not rings_soon(waiting, self._clock.now()):
                return await self._park(overall_wait(waiting))
        if self._releasing and (self._grace_over or not self._tasks):
            await self._abandon()
            await self._writer.flush()
            return Released()
        if not self._can_go_on:
            await self._pause()
        return None

    @property
    def _can_go_on(self) -> bool:
        """Whether there is more to do without any news."""
        return bool(self._ready or self._board.has_turns) and not (self._over or self._releasing)

    @property
    def _over(self) -> bool:
        return self._cancelled or self._failure is not None or self._board.said.stopped is not None

    async def _end_early(self) -> Ended:
        """What is in flight is cancelled, what has not begun is skipped."""
        stopped = self._board.said.stopped if self._failure is None else None
        # What has just finished counts, although it was not looked at yet.
        self._read_inbox()
        await self._abandon()
        self._board.close()
        if self._cancelled:
            return await self._end("cancelled")
        if stopped is not None:
            self._failure = stop_error(stopped)
        return await self._end("completed" if self._failure is None else "failed")

    async def _park(self, waiting_for: WaitingFor) -> Outcome | None:
        self._alarms.stop()
        signals = await self._writer.park(waiting_for)
        if not signals:
            return Parked(waiting_for)
        self._take_signals(signals)
        for step in self._board.waiting_steps():
            self._set_alarm(step)
        return None

    async def _end(self, status: ExecutionEndStatus) -> Ended:
        output = self._board.output() if status == "completed" else None
        error = self._failure if status == "failed" else None
        end = ExecutionEnd(status, self._clock.now(), output, error)
        await self._writer.finish(end)
        return Ended(end)

    async def _abandon(self) -> None:
        running = set(self._tasks)
        self._tasks.clear()
        await stop(running)

    async def _pause(self) -> None:
        """Waits for news; what is known by now is written first, so that it is seen."""
        if self._writer.pending:
            await self._writer.flush()
        self._watch_deadline()
        if not self._inbox:
            await self._wake.wait()
        self._wake.clear()

    async def _start_ready(self) -> None:
        """Runs what only computes, and begins the rest once it is journalled that it does."""
        slow: list[Prepared] = []
        for count in range(1, STEPS_AT_A_TIME + 1):
            self._take_turns()
            if self._over or not (self._ready or self._board.has_turns):
                break
            prepared = await self._prepare(self._ready.popleft()) if self._ready else None
            if prepared is not None:
                if prepared.instant:
                    await self._compute(prepared)
                else:
                    slow.append(prepared)
            if count % STEPS_BETWEEN_YIELDS == 0:
                await asyncio.sleep(0)
                self._read_inbox()
                self._ensure_in_time()
            if self._writer.full and not self._over:
                await self._writer.flush()
        if slow and not self._over:
            await self._writer.flush()
            for prepared in slow:
                self._start_task(prepared)

    async def _compute(self, prepared: Prepared) -> None:
        try:
            outcome: StepOutcome | Exception = await prepared.work()
        except Exception as error:
            outcome = error
        self._take_outcome(prepared, outcome)

    def _take_turns(self) -> None:
        try:
            for step in self._board.turns(STEPS_BETWEEN_YIELDS):
                self._take_up(step)
        except EngineError as error:
            self._endings.fail_execution(error)

    def _take_up(self, step: Step) -> None:
        """Begins a step, or goes on with it where an earlier worker left it."""
        if step.status in WAITING and (step.waiting_for is None or step.waiting_for.kind != "budget"):
            if step.signal is not None:
                self._ready.append(step)
            else:
                self._set_alarm(step)
        elif step.status == "retrying":
            self._set_alarm(step)
        elif step.status == "running" and step.must_not_repeat and not self._dry:
            message = "The worker stopped while this step ran; its effect may or may not have happened"
            self._endings.mark_uncertain(step, error_json("INTERRUPTED", message, step.node.id, {}))
        else:
            self._ready.append(step)

    async def _prepare(self, step: Step) -> Prepared | None:
        """Everything before the work itself. None where there is none: it failed, was pinned, or waits."""
        if self._too_many(step):
            return None
        if step.status == "uncertain" and step.signal is not None:
            self._endings.resolve(step, step.signal)
            return None
        resuming = step.resuming
        try:
            found = await self._preparation.prepare(step)
        except Exception as error:
            if not resuming:
                if step.status != "running":
                    step.begin(self._clock.now())
                self._endings.record(step)
            self._endings.fail(step, sorted_error(error, self._masker))
            return None
        if isinstance(found, WaitingFor):
            step.not_begun()
            self._board.begun -= step.attempt == 0
            self._endings.park(step, "waiting", found)
            return None
        if not resuming:
            self._endings.record(step)
        if isinstance(found, Result):
            self._endings.complete(step, found)
            return None
        return found

    def _too_many(self, step: Step) -> bool:
        """Whether the step is one more than any run may have; then that is the end of it."""
        most = self._settings.most_steps
        if most is None or step.attempt or self._board.begun < most:
            return False
        message = f"This run has had {most} steps, and may have no more"
        self._endings.fail_execution(LimitExceededError(message, details={"max_steps": most}))
        return True

    def _start_task(self, prepared: Prepared) -> None:
        work = bounded(self._clock, prepared.seconds, prepared.work())
        task = asyncio.ensure_future(outcome_of(work))
        self._tasks[task] = prepared
        task.add_done_callback(lambda done: self._post(lambda: self._take_task(done)))

    def _take_task(self, task: "asyncio.Future[StepOutcome | Exception]") -> None:
        prepared = self._tasks.pop(task, None)
        if prepared is not None:
            stopped = InternalError("The step stopped itself")
            self._take_outcome(prepared, stopped if task.cancelled() else task.result())

    def _take_outcome(self, prepared: Prepared, outcome: StepOutcome | Exception) -> None:
        self._preparation.done(prepared.step)
        self._board.add_usage(prepared.step, prepared.context.usage)
        self._endings.take(prepared.step, outcome)

    def _fail_execution(self, error: Mapping[str, Any]) -> None:
        self._failure = self._failure or error

    def _log(self, entry: LogEntry) -> None:
        self._writer.add(entry)
        self._wake.set()

    def _post(self, message: Callable[[], None]) -> None:
        self._inbox.append(message)
        self._wake.set()

    def _read_inbox(self) -> None:
        while self._inbox:
            self._inbox.popleft()()

    def _mark_cancelled(self) -> None:
        self._cancelled = True

    def _begin_release(self, grace_seconds: float) -> None:
        self._releasing = True
        self._alarms.set("release", grace_seconds, lambda: self._post(self._end_grace))

    def _end_grace(self) -> None:
        self._grace_over = True

    def _take_signals(self, signals: Sequence[Signal]) -> None:
        for signal in signals:
            step = self._board.step(signal.step_id)
            if step is not None and step.status in WAITING and step.signal is None:
                step.signal = signal.payload
                self._ready.append(step)

    def _go_on(self, step: Step) -> None:
        """At once where nothing keeps it, else when it is time."""
        if step.status == "pending":
            self._ready.append(step)
        else:
            self._set_alarm(step)

    def _set_alarm(self, step: Step) -> None:
        if step.due is not None and step.signal is None:
            seconds = (step.due - self._clock.now()).total_seconds()
            self._alarms.set(step.id, seconds, lambda: self._post(lambda: self._ring(step)))

    def _ring(self, step: Step) -> None:
        if step.due is None or step.signal is not None:
            return
        if step.status == "waiting":
            step.signal = {"kind": "timer"}
        else:
            step.wait_over()
        self._ready.append(step)

    @property
    def _remaining(self) -> float | None:
        """Seconds until the execution has taken too long."""
        seconds = self._settings.timeout_seconds
        return None if seconds is None else seconds - self.elapsed_seconds

    def _ensure_in_time(self) -> None:
        if (remaining := self._remaining) is not None and remaining <= 0:
            seconds = self._settings.timeout_seconds
            self._endings.fail_execution(
                ExecutionTimeoutError(f"This execution took longer than {seconds:g} s")
            )

    def _watch_deadline(self) -> None:
        """What is late is seen anyway once something happens; this is for when nothing does."""
        if (remaining := self._remaining) is not None:
            self._alarms.set("deadline", remaining, lambda: self._post(lambda: None))
