"""What a host does, in short: a runner over a journal in memory, again and again."""

import asyncio
from collections.abc import Sequence
from typing import Any

from engine import Definition, DryRun, Ended, Outcome, Runner, RunSettings, TriggerInput
from engine.ports import Change, ExecutionEnd, Signal, StepState, WaitingFor
from engine.testing import FakeClock, MemoryJournal, NoEgress, memory_ports


class Host:
    """One execution and its journal; `runner()` is a worker that claims it."""

    def __init__(
        self,
        definition: Definition,
        data: Any = None,
        *,
        clock: FakeClock | None = None,
        egress: Any = None,
        models: Any = None,
        agents: Any = None,
        settings: RunSettings | None = None,
        dry_run: DryRun | None = None,
        journal: MemoryJournal | None = None,
    ) -> None:
        self.definition = definition
        self.data = data
        self.clock = clock or FakeClock()
        self.journal = journal or MemoryJournal("execution-1", clock=self.clock)
        self.egress = egress or NoEgress()
        self.models = models
        self.agents = agents
        self.settings = settings
        self.dry_run = dry_run

    def runner(self) -> Runner:
        return Runner(
            self.definition,
            memory_ports(
                self.journal, clock=self.clock, egress=self.egress, models=self.models, agents=self.agents
            ),
            execution_id="execution-1",
            trigger=TriggerInput(data=self.data),
            settings=self.settings,
            dry_run=self.dry_run,
            jitter=lambda longest: longest,
        )

    async def run(self) -> Outcome:
        return await self.runner().run()

    def start(self) -> tuple[Runner, "asyncio.Task[Outcome]"]:
        runner = self.runner()
        return runner, asyncio.create_task(runner.run())

    @property
    def steps(self) -> dict[str, StepState]:
        return {step.node_id: step for step in self.journal.steps.values()}

    @property
    def statuses(self) -> dict[str, str]:
        return {step.node_id: step.status for step in self.journal.steps.values()}

    def events(self, *types: str) -> list[dict[str, Any]]:
        return [event for event in self.journal.events if not types or event["type"] in types]


def ended(outcome: Outcome) -> ExecutionEnd:
    assert isinstance(outcome, Ended), outcome
    return outcome.end


class Crash(Exception):
    """The worker died."""


class ExplodingJournal(MemoryJournal):
    """Dies at the nth write, before or after it took effect; then works again."""

    def __init__(self, *, clock: FakeClock, at: int | None = None, after: bool = False) -> None:
        super().__init__("execution-1", clock=clock)
        self.at = at
        self.after = after
        self.writes = 0
        self.groups: list[list[Change]] = []

    async def write(self, changes: Sequence[Change]) -> None:
        self._explode(after=False)
        self.groups.append(list(changes))
        await super().write(changes)
        self._explode(after=True)

    async def park(self, changes: Sequence[Change], waiting_for: WaitingFor) -> Sequence[Signal]:
        return await super().park(changes, waiting_for)

    def _explode(self, *, after: bool) -> None:
        if not after:
            self.writes += 1
        if self.writes == self.at and self.after == after:
            self.at = None
            raise Crash
