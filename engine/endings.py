"""What becomes of a step once its attempt is over: it completes, fails, is tried again, repeats or waits."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from engine.attempt import plain, sorted_error
from engine.board import Board
from engine.errors import EngineError, LimitExceededError
from engine.events import STATE_KEY, error_json
from engine.masking import Masker
from engine.nodes.base import Outcome, Result, Rounds
from engine.ports import Clock, StepStatus, WaitingFor
from engine.retry import Jitter, pause, policy
from engine.settings import RunSettings
from engine.sizes import MOST_OUTPUT_LEVELS, is_deep, size_of
from engine.start import pinned_handle
from engine.step import Step
from engine.writer import Writer


class Endings:
    """Decides and journals. `again` hears of a step that is to go on later or now, `give_up` of the error
    that ends the execution.
    """

    def __init__(
        self,
        board: Board,
        writer: Writer,
        masker: Masker,
        clock: Clock,
        settings: RunSettings,
        jitter: Jitter,
        *,
        again: Callable[[Step], None],
        give_up: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._board = board
        self._writer = writer
        self._masker = masker
        self._clock = clock
        self._settings = settings
        self._jitter = jitter
        self._again = again
        self._stop = give_up

    def take(self, step: Step, outcome: Outcome | Exception) -> None:
        """What the attempt came to."""
        if isinstance(outcome, Exception):
            self.fail(step, sorted_error(outcome, self._masker))
        elif isinstance(outcome, Result):
            self.complete(step, outcome)
        elif isinstance(outcome, Rounds):
            self._repeat(step, outcome)
        else:
            wanted = outcome.waiting_for
            details = (
                wanted.details if outcome.state is None else {**wanted.details, STATE_KEY: outcome.state}
            )
            status: StepStatus = "waiting_approval" if wanted.kind == "approval" else "waiting"
            self.park(step, status, WaitingFor(wanted.kind, wanted.until, details))
            self._again(step)

    def complete(self, step: Step, result: Result) -> None:
        self._board.add_usage(step, result.usage)
        output = self._masker.json(plain(result.output))
        size = size_of(output)
        most = self._settings.max_output_bytes
        if most is not None and size > most:
            message = f"The output is too large: {size} bytes of JSON, and {most} are allowed"
            self.fail(step, LimitExceededError(message, details={"bytes": size, "max_bytes": most}))
            return
        if size > 2 * MOST_OUTPUT_LEVELS and is_deep(output, MOST_OUTPUT_LEVELS):
            message = f"The output is nested deeper than {MOST_OUTPUT_LEVELS} levels"
            self.fail(step, LimitExceededError(message))
            return
        self._board.held += size
        step.complete(output, result.handle, self._clock.now())
        self.record(step)
        self._ensure_room()
        self.guarded(lambda: self._board.settle(step))

    def fail(self, step: Step, error: EngineError) -> None:
        """Tries again what may work later, and asks a person about what must not happen twice."""
        told = self.told(error, step.node.id)
        if error.effect_unknown and step.must_not_repeat:
            self.mark_uncertain(step, told)
            return
        seconds = pause(policy(step.node, self._settings), step.attempt, error, self._jitter)
        if seconds is None:
            self._give_up(step, told)
            return
        now = self._clock.now()
        step.try_again(told, now, now + timedelta(seconds=seconds))
        self.record(step)
        self._again(step)

    def resolve(self, step: Step, signal: Mapping[str, Any]) -> None:
        """Somebody found out what became of an uncertain step."""
        outcome = signal.get("outcome")
        if outcome == "done":
            output = signal.get("output")
            self.complete(step, Result(output, pinned_handle(step.node, output)))
        elif outcome == "retry":
            step.wait_over()
            self._again(step)
        else:
            self._give_up(step, step.error or error_json("UNCERTAIN", "It failed", step.node.id, {}))

    def mark_uncertain(self, step: Step, error: Mapping[str, Any]) -> None:
        self.park(step, "uncertain", WaitingFor("uncertain"), error)

    def park(
        self,
        step: Step,
        status: StepStatus,
        waiting_for: WaitingFor,
        error: Mapping[str, Any] | None = None,
    ) -> None:
        hidden = self._masker.json(dict(waiting_for.details))
        details = {**hidden, "step_id": step.id, "node_id": step.node.id}
        parked = WaitingFor(waiting_for.kind, waiting_for.until, details)
        step.park(status, parked, self._clock.now(), error)
        self.record(step)

    def record(self, step: Step) -> None:
        self._writer.add(step.change())

    def guarded(self, act: Callable[[], None]) -> None:
        """What goes wrong outside any step fails the execution."""
        try:
            act()
        except EngineError as error:
            self.fail_execution(error)

    def fail_execution(self, error: EngineError) -> None:
        self._stop(self.told(error, error.details.get("node_id")))

    def told(self, error: EngineError, node_id: str | None) -> Mapping[str, Any]:
        """The error as JSON, without secrets."""
        details = self._masker.json(error.details)
        return error_json(error.code, self._masker.text(error.message), node_id, details)

    def _ensure_room(self) -> None:
        held, most = self._board.held, self._settings.max_state_bytes
        if most is not None and held > most:
            message = f"The steps put out too much together: {held} bytes of JSON, and {most} are allowed"
            self.fail_execution(LimitExceededError(message, details={"bytes": held, "max_bytes": most}))

    def _repeat(self, step: Step, rounds: Rounds) -> None:
        most = self._settings.max_rounds
        if rounds.most > most:
            message = f"A loop may have {most} rounds at most, and this is to have {rounds.most}; split it up"
            self.fail(step, LimitExceededError(message, details={"max_rounds": most}))
        else:
            self.guarded(lambda: self._board.repeat(step, rounds))

    def _give_up(self, step: Step, error: Mapping[str, Any]) -> None:
        on_error = step.node.on_error
        if on_error == "fail":
            step.fail(error, self._clock.now(), output=None, handle=None)
            self.record(step)
            self._stop(error)
            return
        output = {"error": {"code": error["code"], "message": error["message"]}}
        handle = "out" if on_error == "continue" else "error"
        step.fail(error, self._clock.now(), output=output, handle=handle)
        self.record(step)
        self.guarded(lambda: self._board.settle(step))
