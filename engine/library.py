"""Running a definition as a library, without any server: everything in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from uuid6 import uuid7

from engine.context import TriggerInput
from engine.definition import Definition
from engine.egress import GuardedEgress
from engine.events import Event
from engine.llm.router import ModelRouter
from engine.memory import MemoryEvents, MemoryJournal, OnEvent, SystemClock
from engine.outcome import Ended, Outcome, Parked
from engine.ports import Clock, Egress, Models, Ports, Secrets, StepState, WaitingFor
from engine.runner import Runner
from engine.sandbox import ProcessSandbox
from engine.secrets import NoSecrets
from engine.settings import DryRun, RunSettings


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a run. `status`: `completed`, `failed`, `cancelled` or `waiting` (then for what)."""

    status: str
    output: Any
    error: Mapping[str, Any] | None
    waiting_for: WaitingFor | None
    steps: list[StepState]
    events: list[Event]


async def run(
    definition: Definition | Mapping[str, Any],
    data: Any = None,
    *,
    models: Models | None = None,
    egress: Egress | None = None,
    clock: Clock | None = None,
    secrets: Secrets | None = None,
    variables: Mapping[str, Any] | None = None,
    settings: RunSettings | None = None,
    dry_run: DryRun | None = None,
    triggered_by: str = "manual",
    on_event: OnEvent | None = None,
) -> RunResult:
    """Runs a definition to its end, or until it waits for somebody; delays are slept through.

    `data` is what `{{ trigger.data }}` is. `on_event` gets each event as it happens, tokens included. Without
    `models` the keyless `demo` model answers, without `egress` only public addresses are reached. `secrets`
    (GivenSecrets, say) and `variables` are what expressions find under these names.
    """
    if not isinstance(definition, Definition):
        definition = Definition.model_validate(definition)
    execution_id = str(uuid7())
    clock = clock or SystemClock()
    journal = MemoryJournal(execution_id, clock=clock, on_event=on_event)
    own_egress = GuardedEgress()
    own_models = ModelRouter(egress=own_egress)
    sandbox = ProcessSandbox()
    ports = Ports(
        journal=journal,
        events=MemoryEvents(execution_id, clock, on_event),
        models=models or own_models,
        egress=egress or own_egress,
        clock=clock,
        secrets=secrets or NoSecrets(),
        sandbox=sandbox,
    )
    try:
        outcome = await _until_settled(
            definition,
            ports,
            execution_id,
            TriggerInput(triggered_by, data=data),
            settings or RunSettings(),
            dry_run,
            variables,
        )
    finally:
        await sandbox.aclose()
        await own_models.aclose()
        await own_egress.aclose()
    end = outcome.end if isinstance(outcome, Ended) else None
    return RunResult(
        status=end.status if end is not None else "waiting",
        output=end.output if end is not None else None,
        error=end.error if end is not None else None,
        waiting_for=outcome.waiting_for if isinstance(outcome, Parked) else None,
        steps=sorted(journal.steps.values(), key=lambda step: step.order),
        events=journal.events,
    )


async def _until_settled(
    definition: Definition,
    ports: Ports,
    execution_id: str,
    trigger: TriggerInput,
    settings: RunSettings,
    dry_run: DryRun | None,
    variables: Mapping[str, Any] | None,
) -> Outcome:
    """Runs again after each timer, as a host would."""
    elapsed = 0.0
    while True:
        runner = Runner(
            definition,
            ports,
            execution_id=execution_id,
            trigger=trigger,
            settings=replace(settings, elapsed_seconds=elapsed),
            dry_run=dry_run,
            variables=variables,
        )
        outcome = await runner.run()
        elapsed = runner.elapsed_seconds
        if not isinstance(outcome, Parked) or outcome.waiting_for.kind != "timer":
            return outcome
        until = outcome.waiting_for.until
        assert until is not None
        await ports.clock.sleep(max(0.0, (until - ports.clock.now()).total_seconds()))
