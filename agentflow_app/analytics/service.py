"""Figures over an organization's executions."""

from agentflow_app.agents.service import AgentService
from agentflow_app.analytics.schemas import FailingAgent, OverviewOut
from agentflow_app.core.database import Transaction
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.schemas import ExecutionQuery
from agentflow_app.executions.service import ExecutionService
from agentflow_app.executions.statistics import day_figures, failing_agents

RECENT = 8


class AnalyticsService:
    def __init__(self, tx: Transaction, actor: Actor) -> None:
        self.tx = tx
        self.actor = actor

    async def overview(self) -> OverviewOut:
        """What Home shows."""
        self.actor.require("executions:read")
        executions = ExecutionService(self.tx, self.actor)
        figures = await day_figures(self.tx, self.actor.org_id)
        failing = await failing_agents(self.tx, self.actor.org_id)
        names = await AgentService(self.tx, self.actor).names({agent_id for agent_id, _, _ in failing})
        recent = await executions.list(ExecutionQuery(limit=RECENT))
        return OverviewOut(
            **figures,
            waiting_approvals=len(await executions.approvals()),
            failing_agents=[
                FailingAgent(agent_id=agent_id, name=names[agent_id], failures=count, last_failed_at=last)
                for agent_id, count, last in failing
            ],
            recent=recent.data,
        )
