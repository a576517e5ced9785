"""/agents: their metadata, drafts, versions and status."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from agentflow_app.accounts.routes import CurrentActor, CurrentTransaction, TenantRoute
from agentflow_app.agents.schemas import (
    AgentCreate,
    AgentOut,
    AgentQuery,
    AgentUpdate,
    DiffOut,
    DraftOut,
    DraftUpdate,
    PublishRequest,
    StatusUpdate,
    VersionOut,
    VersionSummary,
)
from agentflow_app.agents.service import AgentService
from agentflow_app.core.pagination import Page, PageQuery

router = APIRouter(prefix="/agents", tags=["agents"], route_class=TenantRoute)
Number = Annotated[int, Path(ge=1, le=2_000_000_000)]


@router.get("")
async def list_agents(
    query: Annotated[AgentQuery, Query()], actor: CurrentActor, tx: CurrentTransaction
) -> Page[AgentOut]:
    return await AgentService(tx, actor).list(query)


@router.post("", status_code=201)
async def create_agent(
    data: AgentCreate, actor: CurrentActor, tx: CurrentTransaction, response: Response
) -> AgentOut:
    agent = await AgentService(tx, actor).create(data)
    response.headers["Location"] = f"/api/v1/agents/{agent.id}"
    return agent


@router.get("/{agent_id}")
async def get_agent(agent_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> AgentOut:
    return await AgentService(tx, actor).get(agent_id)


@router.put("/{agent_id}")
async def update_agent(
    agent_id: UUID, data: AgentUpdate, actor: CurrentActor, tx: CurrentTransaction
) -> AgentOut:
    return await AgentService(tx, actor).update(agent_id, data)


@router.delete("/{agent_id}", status_code=204)
async def archive_agent(agent_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> None:
    await AgentService(tx, actor).archive(agent_id)


@router.put("/{agent_id}/status")
async def set_agent_status(
    agent_id: UUID, data: StatusUpdate, actor: CurrentActor, tx: CurrentTransaction
) -> AgentOut:
    return await AgentService(tx, actor).set_status(agent_id, data.status)


@router.get("/{agent_id}/draft")
async def get_draft(agent_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> DraftOut:
    return await AgentService(tx, actor).get_draft(agent_id)


@router.put("/{agent_id}/draft")
async def save_draft(
    agent_id: UUID, data: DraftUpdate, actor: CurrentActor, tx: CurrentTransaction
) -> DraftOut:
    return await AgentService(tx, actor).save_draft(agent_id, data)


@router.post("/{agent_id}/publish", status_code=201)
async def publish(
    agent_id: UUID, data: PublishRequest, actor: CurrentActor, tx: CurrentTransaction, response: Response
) -> VersionOut:
    version = await AgentService(tx, actor).publish(agent_id, data)
    response.headers["Location"] = f"/api/v1/agents/{agent_id}/versions/{version.version}"
    return version


@router.get("/{agent_id}/versions")
async def list_versions(
    agent_id: UUID, query: Annotated[PageQuery, Query()], actor: CurrentActor, tx: CurrentTransaction
) -> Page[VersionSummary]:
    return await AgentService(tx, actor).versions(agent_id, query)


@router.get("/{agent_id}/versions/{number}")
async def get_version(
    agent_id: UUID, number: Number, actor: CurrentActor, tx: CurrentTransaction
) -> VersionOut:
    return await AgentService(tx, actor).version(agent_id, number)


@router.get("/{agent_id}/versions/{number}/diff/{other}")
async def diff_versions(
    agent_id: UUID, number: Number, other: Number, actor: CurrentActor, tx: CurrentTransaction
) -> DiffOut:
    return await AgentService(tx, actor).diff(agent_id, number, other)


@router.post("/{agent_id}/versions/{number}/restore")
async def restore_version(
    agent_id: UUID, number: Number, actor: CurrentActor, tx: CurrentTransaction
) -> DraftOut:
    return await AgentService(tx, actor).restore(agent_id, number)
