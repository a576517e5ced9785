"""/hooks: where webhooks arrive. The token is the credential."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse

from agentflow_app.triggers import service

router = APIRouter(prefix="/hooks", tags=["hooks"])


@router.post("/{token}", status_code=202)
async def receive_webhook(token: Annotated[str, Path(max_length=100)], request: Request) -> Response:
    """202 with the execution's id, or, where the trigger says so, the output of the finished run."""
    delivery = service.Delivery(
        body=await request.body(),
        content_type=request.headers.get("content-type", ""),
        headers=request.headers,
        query=request.query_params,
        query_string=request.url.query,
        method=request.method,
    )
    accepted = await service.receive(token, delivery)
    if accepted.response == "when_finished":
        ended = await service.outcome(accepted)
        if ended is not None:
            return JSONResponse(ended.output, 200)
    return JSONResponse({"execution_id": str(accepted.execution.id)}, 202)
