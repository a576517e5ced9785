"""/operator: for the operator of the installation, on any organization's access token."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from agentflow_app.accounts.operators import AccountOut
from agentflow_app.accounts.routes import CurrentActor, TenantRoute
from agentflow_app.core.pagination import Page
from agentflow_app.operator.schemas import AccountStatusUpdate, HealthOut, StandingUpdate, UsageOut
from agentflow_app.operator.service import OperatorService

router = APIRouter(prefix="/operator", tags=["operator"], route_class=TenantRoute)


@router.get("/organizations")
async def list_organizations(
    actor: CurrentActor, search: Annotated[str, Query(max_length=200)] = ""
) -> Page[UsageOut]:
    return Page(data=await OperatorService(actor).organizations(search))


@router.put("/organizations/{org_id}/status")
async def set_organization_status(org_id: UUID, data: StandingUpdate, actor: CurrentActor) -> UsageOut:
    return await OperatorService(actor).set_standing(org_id, data.status)


@router.get("/health")
async def get_health(actor: CurrentActor) -> HealthOut:
    return await OperatorService(actor).health()


@router.get("/users")
async def find_user(
    actor: CurrentActor, email: Annotated[str, Query(min_length=3, max_length=255)]
) -> AccountOut:
    return await OperatorService(actor).account(email)


@router.put("/users/{user_id}/status")
async def set_user_status(user_id: UUID, data: AccountStatusUpdate, actor: CurrentActor) -> AccountOut:
    return await OperatorService(actor).set_account(user_id, data.status == "active")
