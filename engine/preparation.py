"""What comes before a step's work: its limits, its pin, its config and its context."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from engine.attempt import checked, rendered
from engine.board import Board
from engine.context import Context, TriggerInput
from engine.definition import Node
from engine.errors import UnknownKindError
from engine.masking import MASK, Masker
from engine.names import secret_names, takes_secrets
from engine.nodes.base import NodeKind, Outcome, Result
from engine.ports import LogEntry, Ports, WaitingFor
from engine.settings import DryRun, RunSettings
from engine.start import pinned_handle
from engine.step import Step

Work = Callable[[], Coroutine[Any, Any, Outcome]]


@dataclass(slots=True)
class Prepared:
    """A step that can begin: `work` makes the coroutine, bounded by `seconds`."""

    step: Step
    context: Context
    work: Work
    instant: bool
    seconds: float | None


class Preparation:
    """Prepares steps of one execution."""

    def __init__(
        self,
        board: Board,
        ports: Ports,
        log: Callable[[LogEntry], None],
        *,
        execution_id: str,
        trigger: TriggerInput,
        settings: RunSettings,
        dry_run: DryRun | None,
        masker: Masker,
    ) -> None:
        self._masker = masker
        self._names: dict[str, frozenset[str]] = {}
        self._board = board
        self._ports = ports
        self._log = log
        self._execution_id = execution_id
        self._trigger = trigger
        self._settings = settings
        self._dry = dry_run
        self._reserved: dict[str, Decimal] = {}

    async def prepare(self, step: Step) -> Prepared | Result | WaitingFor:
        """Begins the step: what is to be done, or the pin that stands in for it, or the budget it waits for.

        A step whose wait is over is not begun again. Raises an EngineError where it cannot be done.
        """
        kind = step.kind
        if kind is None:
            raise UnknownKindError(f"There is no node kind {step.node.kind} here")
        signal = step.signal
        if signal is not None and step.resuming:
            config, context, state = checked(kind, step.input or {}), self._context(step), step.parked_state
            return self._prepared(step, kind, context, lambda: kind.resume(config, context, signal, state))
        if step.resuming:
            # What it goes through was written down when it began, so that it stays the same.
            config, context = checked(kind, step.input), self._context(step)
            return self._prepared(step, kind, context, lambda: kind.run(config, context))
        first = step.attempt == 0
        self._board.begun += first
        step.begin(self._ports.clock.now())
        if first and (limit := self._missing_steps()) is not None:
            return limit
        if (pin := self._pin(step, kind)) is not None:
            return pin
        names = self._secret_names(step.node, kind)
        scope = self._board.scope(step)
        resolved = rendered(step.node, kind, await self._opened(scope, names) if names else scope)
        step.input = self._masker.json(resolved)
        config = checked(kind, resolved)
        context = self._context(step)
        if (budget := self._missing_budget(step, kind, config, context)) is not None:
            return budget
        return self._prepared(
            step,
            kind,
            context,
            lambda: kind.run(config, context) if self._dry is None else kind.dry(config, context),
        )

    def _secret_names(self, node: Node, kind: NodeKind[Any]) -> frozenset[str]:
        if not takes_secrets(kind):
            return frozenset()
        if node.id not in self._names:
            self._names[node.id] = secret_names(node, kind)
        return self._names[node.id]

    async def _opened(self, scope: Mapping[str, Any], names: frozenset[str]) -> Mapping[str, Any]:
        """What expressions see, with the secrets that they name; in a dry run these are never opened."""
        if self._dry is not None:
            return {**scope, "secrets": dict.fromkeys(names, MASK)}
        return {**scope, "secrets": await self._ports.secrets.reveal(names)}

    def done(self, step: Step) -> None:
        """The step's work is over; what was kept of the budget for it is free."""
        self._reserved.pop(step.id, None)

    def _prepared(self, step: Step, kind: NodeKind[Any], context: Context, work: Work) -> Prepared:
        seconds = step.node.timeout_seconds or kind.timeout_seconds
        return Prepared(step, context, work, kind.instant, seconds)

    def _missing_steps(self) -> WaitingFor | None:
        """Where the step, counted already, is one more than the execution may have."""
        most = self._settings.max_steps
        if most is None or self._board.begun <= most:
            return None
        return WaitingFor("budget", None, {"steps": self._board.begun - 1, "max_steps": most})

    def _pin(self, step: Step, kind: NodeKind[Any]) -> Result | None:
        """In a dry run, the output that stands in for running the node."""
        if self._dry is None or step.node.id not in self._dry.pins:
            return None
        if step.node.id == self._dry.node and not kind.side_effect:
            return None
        output = self._dry.pins[step.node.id]
        return Result(output, pinned_handle(step.node, output))

    def _missing_budget(
        self, step: Step, kind: NodeKind[Any], config: Any, context: Context
    ) -> WaitingFor | None:
        """Where the step's call would break the budget; else what it may cost is kept for it."""
        most = self._settings.max_cost
        if most is None or not kind.spends:
            return None
        taken = self._taken()
        estimate = kind.estimate(config, context)
        if taken < most and taken + estimate <= most:
            self._reserved[step.id] = estimate
            return None
        details = {"spent": format(self._board.spent, "f"), "max_cost": format(most, "f")}
        return WaitingFor("budget", None, details)

    def _context(self, step: Step) -> Context:
        most = self._settings.max_cost
        return Context(
            self._ports,
            self._log,
            execution_id=self._execution_id,
            step_id=step.id,
            node_id=step.node.id,
            iteration=step.iteration,
            attempt=step.attempt,
            trigger=self._trigger,
            inputs=lambda: self._board.inputs(step),
            dry_run=self._dry is not None,
            masker=self._masker,
            timeout_seconds=step.node.timeout_seconds,
            budget=None if most is None else max(most - self._taken(), Decimal(0)),
        )

    def _taken(self) -> Decimal:
        """Of the budget: what was spent, and what is kept for the calls that are under way."""
        return self._board.spent + sum(self._reserved.values(), Decimal(0))
