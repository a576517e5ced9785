"""/hooks: where webhooks arrive. The token is the credential."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse

from agentflow_app.core.serialization import dumps
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
    async with service.received(token, delivery) as accepted:
        if accepted.response == "when_finished":
            ended = await service.outcome(accepted)
            if ended is not None:
                return Response(dumps(ended.output), 200, media_type="application/json")
    return JSONResponse({"execution_id": str(accepted.execution_id)}, 202)
