"""/org and /orgs: the organization that a call acts in, and the others of a person."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from agentflow_app.accounts.routes import CurrentActor, CurrentTransaction, SecretRoute, TenantRoute
from agentflow_app.core.pagination import Page, PageQuery
from agentflow_app.organizations import service
from agentflow_app.organizations.invitations import InvitationService
from agentflow_app.organizations.members import MemberService
from agentflow_app.organizations.schemas import (
    InvitationCreate,
    InvitationOut,
    MemberOut,
    MemberQuery,
    MemberStatusUpdate,
    MineOut,
    OrganizationCreate,
    OrganizationOut,
    OrganizationUpdate,
    RoleUpdate,
    TeamIn,
    TeamOut,
    Transfer,
)
from agentflow_app.organizations.service import OrganizationService
from agentflow_app.organizations.teams import TeamService

router = APIRouter(tags=["organization"], route_class=TenantRoute)
secret = APIRouter(tags=["organization"], route_class=SecretRoute)


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


@router.get("/org/members")
async def list_members(
    query: Annotated[MemberQuery, Query()], actor: CurrentActor, tx: CurrentTransaction
) -> Page[MemberOut]:
    return await MemberService(tx, actor).list(query)


@router.put("/org/members/{user_id}/role")
async def change_role(
    user_id: UUID, data: RoleUpdate, actor: CurrentActor, tx: CurrentTransaction
) -> MemberOut:
    return await MemberService(tx, actor).set_role(user_id, data.role)


@router.put("/org/members/{user_id}/status")
async def change_status(
    user_id: UUID, data: MemberStatusUpdate, actor: CurrentActor, tx: CurrentTransaction
) -> MemberOut:
    return await MemberService(tx, actor).set_status(user_id, data.status)


@router.delete("/org/members/{user_id}", status_code=204)
async def remove_member(user_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> None:
    await MemberService(tx, actor).remove(user_id)


@router.post("/org/transfer")
async def transfer_ownership(data: Transfer, actor: CurrentActor, tx: CurrentTransaction) -> MemberOut:
    return await MemberService(tx, actor).transfer(data.user_id)


@router.get("/org/invitations")
async def list_invitations(
    query: Annotated[PageQuery, Query()], actor: CurrentActor, tx: CurrentTransaction
) -> Page[InvitationOut]:
    return await InvitationService(tx, actor).list(query)


@secret.post("/org/invitations", status_code=201)
async def invite(
    data: InvitationCreate, actor: CurrentActor, tx: CurrentTransaction, response: Response
) -> InvitationOut:
    made = await InvitationService(tx, actor).create(data)
    response.headers["Location"] = f"/api/v1/org/invitations/{made.id}"
    return made


@secret.post("/org/invitations/{invitation_id}/resend")
async def resend_invitation(
    invitation_id: UUID, actor: CurrentActor, tx: CurrentTransaction
) -> InvitationOut:
    return await InvitationService(tx, actor).resend(invitation_id)


@router.delete("/org/invitations/{invitation_id}", status_code=204)
async def withdraw_invitation(invitation_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> None:
    await InvitationService(tx, actor).withdraw(invitation_id)


@router.get("/org/teams")
async def list_teams(
    query: Annotated[PageQuery, Query()], actor: CurrentActor, tx: CurrentTransaction
) -> Page[TeamOut]:
    return await TeamService(tx, actor).list(query)


@router.post("/org/teams", status_code=201)
async def create_team(
    data: TeamIn, actor: CurrentActor, tx: CurrentTransaction, response: Response
) -> TeamOut:
    made = await TeamService(tx, actor).create(data)
    response.headers["Location"] = f"/api/v1/org/teams/{made.id}"
    return made


@router.get("/org/teams/{team_id}")
async def get_team(team_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> TeamOut:
    return await TeamService(tx, actor).get(team_id)


@router.put("/org/teams/{team_id}")
async def rename_team(team_id: UUID, data: TeamIn, actor: CurrentActor, tx: CurrentTransaction) -> TeamOut:
    return await TeamService(tx, actor).rename(team_id, data)


@router.delete("/org/teams/{team_id}", status_code=204)
async def delete_team(team_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> None:
    await TeamService(tx, actor).delete(team_id)


@router.put("/org/teams/{team_id}/members/{user_id}")
async def add_team_member(
    team_id: UUID, user_id: UUID, actor: CurrentActor, tx: CurrentTransaction
) -> TeamOut:
    return await TeamService(tx, actor).add(team_id, user_id)


@router.delete("/org/teams/{team_id}/members/{user_id}", status_code=204)
async def remove_team_member(
    team_id: UUID, user_id: UUID, actor: CurrentActor, tx: CurrentTransaction
) -> None:
    await TeamService(tx, actor).remove(team_id, user_id)
