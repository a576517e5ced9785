"""What subscribers get: the stored events, then the live ones, without gap or duplicate."""

import re
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from agentflow_app.accounts.authentication import ensure_still_in
from agentflow_app.core.database import database
from agentflow_app.core.events import event_hub, execution_channel, organization_channel
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.endings import ending_of, endings
from agentflow_app.executions.schemas import ENDED, ExecutionOut
from agentflow_app.executions.service import ExecutionService

RECHECK_SECONDS = 2.0
"""How long a subscriber trusts the silence of Redis before it reads Postgres again."""
PUT_OUT_SECONDS = 5.0
"""How long a watcher whose login has ended is still told."""
_PAGE = 500
_SEQUENCE = re.compile(r"[0-9]{1,9}")
_FINAL = frozenset(f"execution.{status}" for status in ENDED)


async def follow(actor: Actor, execution_id: UUID, after: int = 0) -> AsyncIterator[dict[str, Any]]:
    """Events with `seq` over `after`, and `step.token` without one, until the execution has ended.

    Raises ExecutionNotFound or Forbidden before the first event, and Unauthenticated within seconds of the
    actor's being put out.
    """
    seen = max(after, 0)
    async with event_hub().subscribe(execution_channel(execution_id)) as mailbox:
        while True:
            # Postgres first, and again whenever the notices may have a gap.
            over = False
            while not over:
                stored, over = await _read(actor, execution_id, seen)
                for event in stored:
                    seen = event["seq"]
                    yield event
                if len(stored) < _PAGE:
                    break
            if over:
                return
            await ensure_still_in(actor)
            mailbox.lagged = False
            complete = True
            ask_again = time.monotonic() + PUT_OUT_SECONDS
            while complete and not mailbox.lagged and time.monotonic() < ask_again:
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


def sequence_number(text: str) -> int | None:
    """The `seq` that a caller names, None if it is none."""
    return int(text) if _SEQUENCE.fullmatch(text) else None


async def _read(actor: Actor, execution_id: UUID, after: int) -> tuple[list[dict[str, Any]], bool]:
    """The next stored events, and whether they are the last that there will be."""
    async with database().transaction(actor) as tx:
        service = ExecutionService(tx, actor)
        execution = await service.load(execution_id)
        events = await service.events(execution_id, after, _PAGE)
    last = events[-1]["seq"] if events else after
    return events, execution.status in ENDED and last >= execution.event_seq


async def wait_for_end(actor: Actor, execution_id: UUID) -> ExecutionOut:
    """The execution once it has ended; the caller bounds the time."""
    with endings().expect(execution_id) as expected:
        found = await _shown(actor, execution_id)
        if found.status in ENDED:
            return found
        await ending_of(actor, execution_id, expected)
    return await _shown(actor, execution_id)


async def _shown(actor: Actor, execution_id: UUID) -> ExecutionOut:
    async with database().transaction(actor) as tx:
        return await ExecutionService(tx, actor).get_whole(execution_id)


async def watch(actor: Actor) -> AsyncIterator[str]:
    """Ids of the organization's executions as they start, wait, go on and end; best effort."""
    actor.require("executions:read")
    async with event_hub().subscribe(organization_channel(actor.org_id)) as mailbox:
        while True:
            await ensure_still_in(actor)
            ask_again = time.monotonic() + PUT_OUT_SECONDS
            while (left := ask_again - time.monotonic()) > 0:
                notice = await mailbox.get(left)
                if isinstance(notice, str):
                    yield notice
