"""/executions and what starts them: look, cancel, resume, replay, compare, resolve, approve, stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from agentflow_app.accounts.authentication import authenticate, credential
from agentflow_app.accounts.routes import AfterCommit, CurrentActor, CurrentTransaction, TenantRoute
from agentflow_app.core.database import database
from agentflow_app.core.errors import Unauthenticated
from agentflow_app.core.pagination import Page, PageQuery
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.core.serialization import dumps
from agentflow_app.core.tables import LARGEST_INTEGER
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.schemas import (
    ApprovalOut,
    ApproveRequest,
    ComparisonOut,
    ExecuteRequest,
    ExecutionOut,
    ExecutionQuery,
    LogOut,
    ReplayRequest,
    ResolveRequest,
    ResumeRequest,
    StepOut,
    TestRequest,
)
from agentflow_app.executions.service import ExecutionService, StepQuery
from agentflow_app.executions.stream import follow, sequence_number, wait_for_end

router = APIRouter(tags=["executions"], route_class=TenantRoute)
live = APIRouter(tags=["executions"])
MAX_WAIT_SECONDS = 60
After = Annotated[int, Query(ge=0, le=LARGEST_INTEGER, description="The last `seq` that the caller has")]
Wait = Annotated[float, Query(ge=0, le=MAX_WAIT_SECONDS, description="Seconds to wait for the end")]


def _answer_at_end(actor: Actor, execution_id: UUID, seconds: float) -> AfterCommit:
    """200 with the ended execution if it ends in time, else the 202 as it was."""

    async def finish(accepted: Response) -> Response:
        try:
            async with asyncio.timeout(seconds):
                ended = await wait_for_end(actor, execution_id)
        except TimeoutError:
            return accepted
        return Response(ended.model_dump_json(), 200, media_type="application/json")

    return finish


def _accept(request: Request, response: Response, actor: Actor, execution: ExecutionOut, wait: float) -> None:
    response.headers["Location"] = f"/api/v1/executions/{execution.id}"
    if wait:
        request.state.after_commit = _answer_at_end(actor, execution.id, wait)


@router.post("/agents/{agent_id}/execute", status_code=202)
async def execute(
    agent_id: UUID,
    data: ExecuteRequest,
    request: Request,
    response: Response,
    actor: CurrentActor,
    tx: CurrentTransaction,
    wait: Wait = 0,
) -> ExecutionOut:
    execution = await ExecutionService(tx, actor).start(agent_id, data, "api")
    _accept(request, response, actor, execution, wait)
    return execution


@router.post("/agents/{agent_id}/test", status_code=202)
async def dry_run(
    agent_id: UUID,
    data: TestRequest,
    request: Request,
    response: Response,
    actor: CurrentActor,
    tx: CurrentTransaction,
    wait: Wait = 0,
) -> ExecutionOut:
    execution = await ExecutionService(tx, actor).test(agent_id, data)
    _accept(request, response, actor, execution, wait)
    return execution


@router.get("/agents/{agent_id}/executions")
async def list_agent_executions(
    agent_id: UUID, query: Annotated[ExecutionQuery, Query()], actor: CurrentActor, tx: CurrentTransaction
) -> Page[ExecutionOut]:
    service = ExecutionService(tx, actor)
    await service.ensure_agent(agent_id)
    return await service.list(query.model_copy(update={"agent_id": agent_id}))


@router.get("/executions")
async def list_executions(
    query: Annotated[ExecutionQuery, Query()], actor: CurrentActor, tx: CurrentTransaction
) -> Page[ExecutionOut]:
    return await ExecutionService(tx, actor).list(query)


@router.get("/executions/{execution_id}")
async def get_execution(execution_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> ExecutionOut:
    return await ExecutionService(tx, actor).get_whole(execution_id)


@router.get("/executions/{execution_id}/payloads/{payload_id}")
async def get_payload(
    execution_id: UUID, payload_id: UUID, actor: CurrentActor, tx: CurrentTransaction
) -> Any:
    """A value that is too large for the run's other answers, as `…_ref` names it."""
    found = await ExecutionService(tx, actor).payload(execution_id, payload_id)
    return Response(dumps(found), media_type="application/json")


@router.get("/executions/{execution_id}/steps")
async def list_steps(
    execution_id: UUID, query: Annotated[StepQuery, Query()], actor: CurrentActor, tx: CurrentTransaction
) -> Page[StepOut]:
    return await ExecutionService(tx, actor).step_page(execution_id, query)


@router.get("/executions/{execution_id}/logs")
async def list_logs(
    execution_id: UUID, query: Annotated[PageQuery, Query()], actor: CurrentActor, tx: CurrentTransaction
) -> Page[LogOut]:
    return await ExecutionService(tx, actor).log_page(execution_id, query)


@router.post("/executions/{execution_id}/cancel", status_code=202)
async def cancel(execution_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> ExecutionOut:
    return await ExecutionService(tx, actor).cancel(execution_id)


@router.post("/executions/{execution_id}/resume", status_code=202)
async def resume(
    execution_id: UUID, actor: CurrentActor, tx: CurrentTransaction, data: ResumeRequest | None = None
) -> ExecutionOut:
    return await ExecutionService(tx, actor).resume(execution_id, data or ResumeRequest())


@router.post("/executions/{execution_id}/replay", status_code=202)
async def replay(
    execution_id: UUID,
    data: ReplayRequest,
    request: Request,
    response: Response,
    actor: CurrentActor,
    tx: CurrentTransaction,
    wait: Wait = 0,
) -> ExecutionOut:
    execution = await ExecutionService(tx, actor).replay(execution_id, data)
    _accept(request, response, actor, execution, wait)
    return execution


@router.get("/executions/{execution_id}/compare/{other_id}")
async def compare(
    execution_id: UUID, other_id: UUID, actor: CurrentActor, tx: CurrentTransaction
) -> ComparisonOut:
    return await ExecutionService(tx, actor).compare(execution_id, other_id)


@router.post("/executions/{execution_id}/steps/{step_id}/resolve", status_code=202)
async def resolve(
    execution_id: UUID, step_id: UUID, data: ResolveRequest, actor: CurrentActor, tx: CurrentTransaction
) -> ExecutionOut:
    return await ExecutionService(tx, actor).resolve(execution_id, step_id, data)


@router.post("/executions/{execution_id}/approve")
async def approve(
    execution_id: UUID, data: ApproveRequest, actor: CurrentActor, tx: CurrentTransaction
) -> ExecutionOut:
    return await ExecutionService(tx, actor).approve(execution_id, data)


@router.get("/approvals")
async def list_approvals(actor: CurrentActor, tx: CurrentTransaction) -> Page[ApprovalOut]:
    return Page(data=await ExecutionService(tx, actor).approvals())


async def _lines(actor: Actor, execution_id: UUID, after: int) -> AsyncIterator[bytes]:
    with suppress(Unauthenticated):  # put out meanwhile: the stream ends, and coming back is refused
        async for event in follow(actor, execution_id, after):
            seq = event.get("seq")
            head = f"id: {seq}\n" if seq is not None else ""
            yield f"{head}event: {event['type']}\ndata: ".encode() + dumps(event).encode() + b"\n\n"


@live.get("/executions/{execution_id}/events", response_class=StreamingResponse)
async def stream_events(
    execution_id: UUID,
    request: Request,
    after: After = 0,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """The events as server-sent events; holds no transaction while it is open."""
    actor = await authenticate(credential(request.headers))
    await rate_limits().organization(actor.org_id, actor.key_id)
    async with database().transaction(actor) as tx:
        await ExecutionService(tx, actor).get(execution_id)
    if last_event_id is not None:
        after = sequence_number(last_event_id) or 0
    return StreamingResponse(
        _lines(actor, execution_id, after),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
