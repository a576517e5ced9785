"""The pulse of each worker and scheduler, in Postgres, so that it is seen while Redis is away."""

import asyncio
import logging
import os
import platform
from contextlib import suppress
from datetime import timedelta
from typing import Literal

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from agentflow_app.core.database import database
from agentflow_app.core.errors import AppError
from agentflow_app.core.ids import new_id
from agentflow_app.core.models import Heartbeat
from agentflow_app.core.version import VERSION

ProcessKind = Literal["worker", "scheduler"]
logger = logging.getLogger(__name__)
BEAT_SECONDS = 5.0
ALIVE_FOR = timedelta(seconds=20)
FORGOTTEN_AFTER = timedelta(days=1)


def process_name(kind: ProcessKind) -> str:
    """Unique among all processes on all machines."""
    return f"{kind}@{platform.node()[:50]}:{os.getpid()}:{new_id().hex[-8:]}"


async def beat(kind: ProcessKind, name: str) -> None:
    statement = insert(Heartbeat).values(process_id=name, kind=kind, version=VERSION)
    async with database().system() as tx:
        await tx.execute(
            statement.on_conflict_do_update(index_elements=["process_id"], set_={"seen_at": func.now()})
        )


async def beat_forever(kind: ProcessKind, name: str) -> None:
    while True:
        try:
            await beat(kind, name)
        except AppError:
            pass  # the database is away; readiness says so itself
        except Exception:
            logger.exception("No sign of life was left; it is tried again")
        await asyncio.sleep(BEAT_SECONDS)


async def stop_beating(name: str) -> None:
    """Without the database it is forgotten after a while anyway."""
    with suppress(AppError):
        async with database().system() as tx:
            await tx.execute(delete(Heartbeat).where(col(Heartbeat.process_id) == name))


async def alive() -> dict[str, int]:
    """How many processes of each kind gave a sign of life lately."""
    counts = {"worker": 0, "scheduler": 0}
    async with database().system() as tx:
        rows = await tx.execute(
            select(col(Heartbeat.kind), func.count())
            .where(col(Heartbeat.seen_at) > func.now() - ALIVE_FOR)
            .group_by(col(Heartbeat.kind))
        )
        for kind, count in rows:
            if kind in counts:
                counts[kind] = count
    return counts
