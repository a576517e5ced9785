"""/org and /orgs: the organization that a call acts in, and the others of a person."""

from fastapi import APIRouter, Response

from agentflow_app.accounts.routes import CurrentActor, CurrentTransaction, TenantRoute
from agentflow_app.core.pagination import Page
from agentflow_app.organizations import service
from agentflow_app.organizations.schemas import (
    MineOut,
    OrganizationCreate,
    OrganizationOut,
    OrganizationUpdate,
)
from agentflow_app.organizations.service import OrganizationService

router = APIRouter(tags=["organization"], route_class=TenantRoute)


@router.get("/org")
async def get_organization(actor: CurrentActor, tx: CurrentTransaction) -> OrganizationOut:
    return await OrganizationService(tx, actor).get()


@router.put("/org")
async def update_organization(
    data: OrganizationUpdate, actor: CurrentActor, tx: CurrentTransaction
) -> OrganizationOut:
    return await OrganizationService(tx, actor).update(data)


@router.get("/orgs")
async def list_own_organizations(actor: CurrentActor) -> Page[MineOut]:
    return Page(data=await service.mine(actor))


@router.post("/orgs", status_code=201)
async def create_organization(data: OrganizationCreate, actor: CurrentActor, response: Response) -> MineOut:
    made = await service.create(actor, data)
    response.headers["Location"] = "/api/v1/org"
    return made
