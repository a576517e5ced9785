"""Two runs on one page."""

import reflex as rx

from agentflow_app.core.database import Transaction
from agentflow_app.core.errors import NotFound
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.schemas import ComparisonOut, StepOut
from agentflow_app.executions.service import ExecutionService
from agentflow_app.ui.executions.differences import (
    WHOLE,
    ComparedRow,
    ComparedStep,
    compared_rows,
    compared_runs,
    compared_step,
    place_of,
)
from agentflow_app.ui.executions.view import RunRow, names_of, run_row
from agentflow_app.ui.session import PageState, acts, event, id_of, loads
from agentflow_app.ui.shell import Shell
from engine.nodes.registry import catalog


class Comparison(PageState, rx.State):
    """What differs between the two that the path names, step by step."""

    left: RunRow = RunRow()
    right: RunRow = RunRow()
    rows: list[ComparedRow] = []
    detail: ComparedStep = ComparedStep()
    narrowed: bool = True
    """Whether only what differs is listed."""

    @rx.var
    def shown(self) -> list[ComparedRow]:
        if not self.narrowed:
            return self.rows
        return [row for row in self.rows if row.key == WHOLE or row.change in ("changed", "one")]

    @rx.var
    def quiet(self) -> int:
        """How many steps do not differ but for their time and cost."""
        return sum(row.key != WHOLE and row.change in ("same", "figures") for row in self.rows)

    @event
    @loads
    async def load(self) -> None:
        shell = await self.get_state(Shell)
        async with self._transaction() as (tx, actor):
            shell._show(actor)
            comparison, left, right = await self._read(tx, actor)
            service = ExecutionService(tx, actor)
            # A node that both have is called as in the second.
            names = names_of(await service.definition(comparison.execution.id), catalog())
            later = names_of(await service.definition(comparison.other.id), catalog())
        names.labels |= later.labels
        self.left, self.right = run_row(comparison.execution), run_row(comparison.other)
        self.rows = compared_rows(comparison, left, right, names)
        self.detail, self.narrowed = compared_runs(comparison), True

    @event
    @acts
    async def choose(self, key: str) -> None:
        """Shows a step, or the runs themselves, with the values that differ."""
        async with self._transaction() as (tx, actor):
            comparison, left, right = await self._read(tx, actor)
        row = next((row for row in self.rows if row.key == key), None)
        if row is None:
            return
        if key == WHOLE:
            self.detail = compared_runs(comparison)
            return
        difference = next((each for each in comparison.steps if place_of(each) == key), None)
        sides = [next((step for step in steps if place_of(step) == key), None) for steps in (left, right)]
        self.detail = compared_step(row, difference, *sides)

    @event
    async def only_what_differs(self, narrowed: bool) -> None:
        self.narrowed = bool(narrowed)

    async def _read(
        self, tx: Transaction, actor: Actor
    ) -> tuple[ComparisonOut, list[StepOut], list[StepOut]]:
        parts = self.router.url.path.strip("/").split("/")
        if len(parts) != 4:
            raise NotFound("There is no such thing")
        left, right = id_of(parts[1]), id_of(parts[3])
        service = ExecutionService(tx, actor)
        return await service.compare(left, right), await service.steps(left), await service.steps(right)
