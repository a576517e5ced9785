"""/healthz, /readyz and /metrics."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from redis.exceptions import RedisError
from sqlalchemy import text

from agentflow_app.core import heartbeats
from agentflow_app.core.database import database
from agentflow_app.core.errors import AppError
from agentflow_app.core.redis import redis_client

router = APIRouter(tags=["health"])
State = Literal["ok", "down"]
CHECK_SECONDS = 3


class Readiness(BaseModel):
    """`degraded`: what comes in is kept, but something that works on it is away."""

    status: Literal["ok", "degraded", "unavailable"]
    checks: dict[str, State]


@router.get("/healthz")
async def alive() -> dict[str, str]:
    return {"status": "ok"}


async def _database() -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS), database().transaction() as tx:
            await tx.execute(text("SELECT 1"))
    except (AppError, TimeoutError):
        return False
    return True


async def _redis() -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await redis_client().get("agentflow:ready")
    except (RedisError, OSError, TimeoutError):
        return False
    return True


async def _processes() -> dict[str, int]:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await heartbeats.alive()
    except (AppError, TimeoutError):
        return {"worker": 0, "scheduler": 0}


async def measure() -> tuple[dict[str, bool], dict[str, int]]:
    """Which stores answer, and how many processes of each kind are alive."""
    reachable, redis_up, processes = await asyncio.gather(_database(), _redis(), _processes())
    return {"database": reachable, "redis": redis_up}, processes


@router.get("/readyz")
async def ready(response: Response) -> Readiness:
    """200 while the database is reachable, which is all that accepting work needs; else 503."""
    stores, processes = await measure()
    reachable = stores["database"]
    up = stores | {kind: count > 0 for kind, count in processes.items()}
    if not reachable:
        response.status_code = 503
    status: Literal["ok", "degraded", "unavailable"] = (
        "unavailable" if not reachable else "ok" if all(up.values()) else "degraded"
    )
    return Readiness(status=status, checks={name: "ok" if good else "down" for name, good in up.items()})


@router.get("/metrics")
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
