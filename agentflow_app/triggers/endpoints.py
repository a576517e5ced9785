"""/hooks: where webhooks arrive. The token is the credential."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse

from agentflow_app.core.serialization import dumps
from agentflow_app.executions import resuming
from agentflow_app.triggers import service
from agentflow_app.triggers.answers import answer_of
from agentflow_app.triggers.deliveries import Delivery

router = APIRouter(prefix="/hooks", tags=["hooks"])
public = APIRouter(prefix="/public", tags=["public"])
Token = Annotated[str, Path(max_length=100)]


async def _delivery(request: Request) -> Delivery:
    return Delivery(
        body=await request.body(),
        content_type=request.headers.get("content-type", ""),
        headers=request.headers,
        query=request.query_params,
        query_string=request.url.query,
        method=request.method,
    )


@router.post("/{token}", status_code=202)
async def receive_webhook(token: Token, request: Request) -> Response:
    """202 with the execution's id, or, where the trigger says so, what the finished run says."""
    async with service.received(token, await _delivery(request)) as accepted:
        if isinstance(accepted, service.Challenge):
            return JSONResponse({"challenge": accepted.text})
        execution = {"execution_id": str(accepted.execution_id)}
        if accepted.response != "immediate":
            ended = await service.outcome(accepted)
            if ended is not None and accepted.response == "when_finished":
                return Response(dumps(ended.output), 200, media_type="application/json")
            if ended is not None:
                said = await service.said(accepted)
                return answer_of(said) if said is not None else JSONResponse(execution, 200)
    return JSONResponse(execution, 202)


@public.post("/resume/{token}", status_code=202)
async def resume_step(token: Token, request: Request) -> JSONResponse:
    """Lets the step that waits for this call go on, once; its body becomes the step's data."""
    execution_id = await resuming.call(token, (await _delivery(request)).data())
    return JSONResponse({"execution_id": str(execution_id)}, 202)
