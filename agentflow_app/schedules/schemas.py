"""What the schedule calls take and give."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from agentflow_app.core.pagination import PageQuery
from agentflow_app.core.schemas import Output


class ScheduleQuery(PageQuery):
    agent_id: UUID | None = None
    status: Literal["active", "paused"] | None = None


class UpcomingOut(Output):
    """The same moment in UTC, and as the clocks of the schedule's time zone show it."""

    at: datetime
    local: str


class ScheduleOut(Output):
    """`status` follows the agent's: one pauses a schedule by pausing its agent.

    `last_at` is the tick that ran last; `last_problem` why the one after did not.
    """

    id: UUID
    agent_id: UUID
    agent_name: str
    node_id: str
    cron: str | None
    every_seconds: int | None
    timezone: str
    missed: Literal["skip", "run_once"]
    status: Literal["active", "paused"]
    next_at: datetime | None
    upcoming: list[UpcomingOut]
    last_at: datetime | None
    last_execution_id: UUID | None
    last_problem: str | None
    created_at: datetime
    updated_at: datetime
