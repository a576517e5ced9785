"""What the scheduler sweeps away: answers, logins and pulses that are past their time."""

from sqlalchemy import delete, func
from sqlmodel import col

from agentflow_app.core.database import database
from agentflow_app.core.heartbeats import FORGOTTEN_AFTER
from agentflow_app.core.models import Heartbeat, IdempotencyKey


async def sweep() -> None:
    async with database().system() as tx:
        await tx.execute(delete(IdempotencyKey).where(col(IdempotencyKey.expires_at) < func.now()))
        await tx.execute(delete(Heartbeat).where(col(Heartbeat.seen_at) < func.now() - FORGOTTEN_AFTER))
