"""What subscribers get: the stored events, then the live ones, without gap or duplicate."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from agentflow_app.core.database import database
from agentflow_app.core.events import event_hub, execution_channel, organization_channel
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.schemas import ENDED, ExecutionOut
from agentflow_app.executions.service import ExecutionService

RECHECK_SECONDS = 2.0
"""How long a subscriber trusts the silence of Redis before it reads Postgres again."""
_PAGE = 500
_FINAL = frozenset(f"execution.{status}" for status in ENDED)


async def follow(actor: Actor, execution_id: UUID, after: int = 0) -> AsyncIterator[dict[str, Any]]:
    """Events with `seq` over `after`, and `step.token` without one, until the execution has ended.

    Raises ExecutionNotFound or Forbidden before the first event.
    """
    seen = max(after, 0)
    async with database().transaction(actor) as tx:
        await ExecutionService(tx, actor).get(execution_id)
    async with event_hub().subscribe(execution_channel(execution_id)) as mailbox:
        while True:
            # Postgres first, and again whenever the notices may have a gap.
            async for event in _stored(actor, execution_id, seen):
                seen = event["seq"]
                yield event
            if await _ended(actor, execution_id, seen):
                return
            mailbox.lagged = False
            complete = True
            while complete and not mailbox.lagged:
                notice = await mailbox.get(RECHECK_SECONDS)
                if notice is None:
                    break
                for event in notice if isinstance(notice, list) else [notice]:
                    seq = event.get("seq")
                    if seq is None:
                        yield event
                    elif seq == seen + 1:
                        seen = seq
                        yield event
                        complete = event["type"] not in _FINAL
                    elif seq > seen:
                        complete = False
                        break


async def _stored(actor: Actor, execution_id: UUID, after: int) -> AsyncIterator[dict[str, Any]]:
    while True:
        async with database().transaction(actor) as tx:
            page = await ExecutionService(tx, actor).events(execution_id, after, _PAGE)
        for event in page:
            yield event
        if len(page) < _PAGE:
            return
        after = page[-1]["seq"]


async def _ended(actor: Actor, execution_id: UUID, seen: int) -> bool:
    """Whether it is over and nothing is left to send."""
    async with database().transaction(actor) as tx:
        service = ExecutionService(tx, actor)
        execution = await service.load(execution_id)
        return execution.status in ENDED and execution.event_seq <= seen


async def wait_for_end(actor: Actor, execution_id: UUID) -> ExecutionOut:
    """The execution once it has ended; the caller bounds the time."""
    async for _ in follow(actor, execution_id):
        pass
    async with database().transaction(actor) as tx:
        return await ExecutionService(tx, actor).get(execution_id)


async def watch(actor: Actor) -> AsyncIterator[str]:
    """Ids of the organization's executions as they start, wait, go on and end; best effort."""
    actor.require("executions:read")
    async with event_hub().subscribe(organization_channel(actor.org_id)) as mailbox:
        while True:
            notice = await mailbox.get(60)
            if isinstance(notice, str):
                yield notice
