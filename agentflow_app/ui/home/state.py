"""Home: how the organization's agents are doing."""

from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import reflex as rx

from agentflow_app.agents.schemas import AgentQuery
from agentflow_app.agents.service import AgentService
from agentflow_app.analytics.schemas import OverviewOut
from agentflow_app.analytics.service import AnalyticsService
from agentflow_app.executions.schemas import ExecuteRequest, ExecutionQuery
from agentflow_app.executions.service import ExecutionService
from agentflow_app.executions.stream import watch
from agentflow_app.ui.executions.gathering import gathered
from agentflow_app.ui.executions.view import RunRow, run_row
from agentflow_app.ui.figures import cost, moment, percent
from agentflow_app.ui.session import PageState, SignedOut, actor_of, acts, background, event, id_of, loads
from agentflow_app.ui.shell import Shell


@dataclass
class FailingRow:
    id: str = ""
    name: str = ""
    failures: int = 0
    last: str = ""


@dataclass
class SampleRow:
    """The agent that a new organization starts with."""

    id: str = ""
    name: str = ""
    description: str = ""
    run_id: str = ""


class Home(PageState, rx.State):
    rows: list[RunRow] = []
    runs_today: int = 0
    running: int = 0
    success_rate: str = ""
    cost_today: str = ""
    tokens_today: int = 0
    waiting: int = 0
    failing: list[FailingRow] = []
    sample: SampleRow = SampleRow()
    starting: bool = False
    _generation: int = 0

    @event
    @loads
    async def load(self) -> Any:
        self._generation += 1
        await self._read()
        return Home.watch

    async def _read(self) -> None:
        shell = await self.get_state(Shell)
        async with self._transaction() as (tx, actor):
            shell._show(actor)
            overview = await AnalyticsService(tx, actor).overview()
            agents = await AgentService(tx, actor).list(AgentQuery(limit=2))
            sample = agents.data[0] if len(agents.data) == 1 else None
            runs = (
                await ExecutionService(tx, actor).list(ExecutionQuery(agent_id=sample.id, limit=1))
                if sample
                else None
            )
        self._show(overview)
        shell.waiting = self.waiting
        # While the only agent is the one that came with the organization, Home says what to do with it.
        self.sample = (
            SampleRow(
                str(sample.id),
                sample.name,
                sample.description or "",
                str(runs.data[0].id) if runs and runs.data else "",
            )
            if sample and sample.latest_version
            else SampleRow()
        )

    def _show(self, overview: OverviewOut) -> None:
        self.rows = [run_row(run) for run in overview.recent]
        self.runs_today, self.running = overview.runs_today, overview.running
        self.success_rate = percent(overview.success_rate)
        self.cost_today, self.tokens_today = cost(overview.cost_today) or "$0", overview.tokens_today
        self.waiting = overview.waiting_approvals
        self.failing = [
            FailingRow(str(agent.agent_id), agent.name, agent.failures, moment(agent.last_failed_at))
            for agent in overview.failing_agents
        ]

    @background
    async def watch(self) -> None:
        async with self:
            generation, token = self._generation, self.router.session.client_token
            try:
                actor = await actor_of(self)
            except SignedOut:
                return
        async with aclosing(gathered(watch(actor), token)) as batches:
            async for _ in batches:
                async with self:
                    if self._generation != generation or self.router.url.path not in ("", "/"):
                        return
                    try:
                        await self._read()
                    except SignedOut:
                        return

    @event
    async def run_sample(self) -> Any:
        self.starting = True
        yield
        yield await self._start()
        self.starting = False

    @acts
    async def _start(self) -> Any:
        async with self._transaction() as (tx, actor):
            service = ExecutionService(tx, actor)
            runs = await service.list(ExecutionQuery(agent_id=id_of(self.sample.id), limit=1))
            data = runs.data[0].trigger_data if runs.data else {}
            run = await service.start(id_of(self.sample.id), ExecuteRequest(trigger_data=data))
        return rx.redirect(f"/runs/{run.id}")
