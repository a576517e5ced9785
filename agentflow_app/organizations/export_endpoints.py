"""/org/exports, and the end of the organization."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from agentflow_app.accounts.routes import CurrentActor, CurrentTransaction, TenantRoute
from agentflow_app.core.pagination import Page, PageQuery
from agentflow_app.organizations.deletion import delete_organization
from agentflow_app.organizations.exports import ExportService
from agentflow_app.organizations.schemas import ExportOut, OrganizationDelete
from agentflow_app.organizations.tickets import redeem

router = APIRouter(tags=["organization"], route_class=TenantRoute)
download = APIRouter(tags=["organization"])


@router.post("/org/export", status_code=202)
async def request_export(actor: CurrentActor, tx: CurrentTransaction, response: Response) -> ExportOut:
    export = await ExportService(tx, actor).request()
    response.headers["Location"] = f"/api/v1/org/exports/{export.id}"
    return export


@router.get("/org/exports")
async def list_exports(
    query: Annotated[PageQuery, Query()], actor: CurrentActor, tx: CurrentTransaction
) -> Page[ExportOut]:
    return await ExportService(tx, actor).list(query)


@router.get("/org/exports/{export_id}")
async def get_export(export_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> ExportOut:
    return await ExportService(tx, actor).get(export_id)


@router.get("/org/exports/{export_id}/download", response_class=StreamingResponse)
async def download_export(export_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> StreamingResponse:
    return _file(export_id, await ExportService(tx, actor).open(export_id))


@download.get("/exports/{ticket}", response_class=StreamingResponse)
async def download_by_ticket(ticket: str) -> StreamingResponse:
    """For a browser, which sends no access token: the ticket is good for a minute."""
    export_id, parts = await redeem(ticket)
    return _file(export_id, parts)


@router.delete("/org", status_code=204)
async def delete(data: OrganizationDelete, actor: CurrentActor, tx: CurrentTransaction) -> None:
    await delete_organization(tx, actor, data)


def _file(export_id: UUID, parts: AsyncIterator[bytes]) -> StreamingResponse:
    headers = {
        "Content-Disposition": f'attachment; filename="agentflow-{export_id}.zip"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(parts, media_type="application/zip", headers=headers)
