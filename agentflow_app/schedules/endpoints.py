"""/schedules: when agents run by themselves. They are made by publishing, and paused with their agent."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from agentflow_app.accounts.routes import CurrentActor, CurrentTransaction, TenantRoute
from agentflow_app.core.pagination import Page
from agentflow_app.schedules.schemas import ScheduleOut, ScheduleQuery
from agentflow_app.schedules.service import ScheduleService

router = APIRouter(prefix="/schedules", tags=["schedules"], route_class=TenantRoute)


@router.get("")
async def list_schedules(
    query: Annotated[ScheduleQuery, Query()], actor: CurrentActor, tx: CurrentTransaction
) -> Page[ScheduleOut]:
    return await ScheduleService(tx, actor).list(query)


@router.get("/{schedule_id}")
async def get_schedule(schedule_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> ScheduleOut:
    return await ScheduleService(tx, actor).get(schedule_id)
