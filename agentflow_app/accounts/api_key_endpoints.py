"""/org/api-keys."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from agentflow_app.accounts.api_keys import ApiKeyService
from agentflow_app.accounts.routes import CurrentActor, CurrentTransaction, SecretRoute, TenantRoute
from agentflow_app.accounts.schemas import ApiKeyCreate, ApiKeyOut, ApiKeyRotate, ApiKeySecret
from agentflow_app.core.pagination import Page, PageQuery

router = APIRouter(prefix="/org/api-keys", tags=["api keys"], route_class=TenantRoute)
secret = APIRouter(prefix="/org/api-keys", tags=["api keys"], route_class=SecretRoute)


@router.get("")
async def list_api_keys(
    query: Annotated[PageQuery, Query()], actor: CurrentActor, tx: CurrentTransaction
) -> Page[ApiKeyOut]:
    return await ApiKeyService(tx, actor).list(query)


@secret.post("", status_code=201)
async def create_api_key(
    data: ApiKeyCreate, actor: CurrentActor, tx: CurrentTransaction, response: Response
) -> ApiKeySecret:
    made = await ApiKeyService(tx, actor).create(data)
    response.headers["Location"] = f"/api/v1/org/api-keys/{made.id}"
    return made


@secret.post("/{key_id}/rotate")
async def rotate_api_key(
    key_id: UUID, actor: CurrentActor, tx: CurrentTransaction, data: ApiKeyRotate | None = None
) -> ApiKeySecret:
    return await ApiKeyService(tx, actor).rotate(key_id, data or ApiKeyRotate())


@router.delete("/{key_id}", status_code=204)
async def revoke_api_key(key_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> None:
    await ApiKeyService(tx, actor).revoke(key_id)
