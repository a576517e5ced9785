"""/org/audit-logs: the trail, its export, and whether it is whole."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from agentflow_app.accounts.routes import CurrentActor, CurrentTransaction, TenantRoute
from agentflow_app.audit import chain
from agentflow_app.audit.schemas import AuditEntry, AuditQuery, ChainOut, ExportQuery
from agentflow_app.audit.trail import AuditTrail
from agentflow_app.core.pagination import Page

router = APIRouter(prefix="/org/audit-logs", tags=["audit"], route_class=TenantRoute)
_MEDIA = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}


@router.get("")
async def list_audit_logs(
    query: Annotated[AuditQuery, Query()], actor: CurrentActor, tx: CurrentTransaction
) -> Page[AuditEntry]:
    return await AuditTrail(tx, actor).page(query)


@router.get("/chain")
async def check_audit_chain(actor: CurrentActor, tx: CurrentTransaction) -> ChainOut:
    return await chain.check(tx, actor)


@router.get("/export", response_class=Response)
async def export_audit_logs(
    query: Annotated[ExportQuery, Query()], actor: CurrentActor, tx: CurrentTransaction
) -> Response:
    content = await AuditTrail(tx, actor).export(query)
    disposition = f'attachment; filename="audit-log.{query.format}"'
    return Response(content, media_type=_MEDIA[query.format], headers={"Content-Disposition": disposition})
