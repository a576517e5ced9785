"""WS /executions/{id}/stream. Refusals close with 4401 or 4404; after the last event the server closes."""

import asyncio
import logging
from uuid import UUID

import orjson
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from agentflow_app.accounts.authentication import authenticate, credential
from agentflow_app.core.errors import AppError, Unauthenticated
from agentflow_app.core.ids import parse_id
from agentflow_app.core.origin import is_foreign
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.core.serialization import dumps
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.stream import follow, sequence_number

logger = logging.getLogger(__name__)
router = APIRouter()
UNAUTHENTICATED, FORBIDDEN, NOT_FOUND, UNAVAILABLE = 4401, 4403, 4404, 1013
_CLOSE_CODES = {401: UNAUTHENTICATED, 403: FORBIDDEN, 404: NOT_FOUND, 422: NOT_FOUND}
FIRST_MESSAGE_SECONDS = 10
SEND_SECONDS = 30
_BEARER = "bearer"


def _offered_token(socket: WebSocket) -> str | None:
    """The token of `Sec-WebSocket-Protocol: bearer, <token>`."""
    offered = [part.strip() for part in socket.headers.get("sec-websocket-protocol", "").split(",")]
    return offered[1] if len(offered) == 2 and offered[0] == _BEARER else None


async def _actor(socket: WebSocket, token: str | None) -> Actor:
    if token is None:
        try:
            async with asyncio.timeout(FIRST_MESSAGE_SECONDS):
                message = orjson.loads(await socket.receive_text())
        except (TimeoutError, orjson.JSONDecodeError, KeyError) as error:
            raise Unauthenticated from error
        token = message.get("token") if isinstance(message, dict) else None
    actor = await authenticate(token if isinstance(token, str) else None)
    await rate_limits().organization(actor.org_id, actor.key_id)
    return actor


async def _send_all(socket: WebSocket, actor: Actor, execution_id: UUID, after: int) -> None:
    async for event in follow(actor, execution_id, after):
        # A reader that has stalled is let go instead of filling our memory.
        async with asyncio.timeout(SEND_SECONDS):
            await socket.send_text(dumps(event))


async def _until_gone(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass  # what a subscriber says is not listened to


async def _serve(socket: WebSocket, actor: Actor, execution_id: UUID, after: int) -> bool:
    """Whether everything was sent; False when the reader left first."""
    sender = asyncio.create_task(_send_all(socket, actor, execution_id, after))
    reader = asyncio.create_task(_until_gone(socket))
    try:
        await asyncio.wait({sender, reader}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        # Both must be over before the socket is closed: a pending receive would hold the close back.
        for task in (sender, reader):
            task.cancel()
        outcome, _ = await asyncio.gather(sender, reader, return_exceptions=True)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome is None


@router.websocket("/executions/{execution_id}/stream")
async def stream(socket: WebSocket, execution_id: str) -> None:
    token = _offered_token(socket) or credential(socket.headers)
    await socket.accept(subprotocol=_BEARER if _offered_token(socket) else None)
    if is_foreign(socket.headers.get("origin"), socket.headers.get("host", "")):
        await socket.close(FORBIDDEN, "foreign origin")
        return
    try:
        actor = await _actor(socket, token)
        found = parse_id(execution_id)
        after = sequence_number(socket.query_params.get("after", "0"))
        if found is None or after is None:
            await socket.close(NOT_FOUND, "no such execution")
            return
        if await _serve(socket, actor, found, after):
            await socket.close(1000)
    except WebSocketDisconnect:
        return
    except TimeoutError:
        await socket.close(UNAVAILABLE, "the reader is too slow")
    except AppError as error:
        await socket.close(_CLOSE_CODES.get(error.status, UNAVAILABLE), error.code)
