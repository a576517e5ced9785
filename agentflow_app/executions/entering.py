"""Enters new runs of published versions past the ORM, all that come at the same time in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from agentflow_app.core.events import notices, organization_channel
from agentflow_app.core.jobs import hints
from agentflow_app.core.lanes import Batches, lanes
from agentflow_app.core.serialization import dumps
from agentflow_app.executions.base import RUN_JOB

# What the caller knew of the agent may be of a moment ago; here it is made sure of.
_ENTER = b"""
    INSERT INTO executions (id, org_id, agent_id, agent_version_id, agent_version, options, triggered_by,
        trigger, status, dry_run, priority, total_tokens, total_cost, event_seq, cancel_requested, epoch,
        claims, active_ms)
    SELECT g.id, a.org_id, a.id, g.version_id, g.version, '{}', g.triggered_by, g.trigger, 'pending', false,
        g.priority, 0, 0, 0, false, 0, 0, 0
    FROM jsonb_to_recordset(%(entries)s::jsonb) AS g(id uuid, agent_id uuid, version_id uuid, version int,
            hook_hash text, triggered_by text, trigger jsonb, priority int)
        JOIN agents a ON a.id = g.agent_id AND a.hook_hash = g.hook_hash AND a.status = 'active'
            AND a.latest_version = g.version
        JOIN organizations o ON o.id = a.org_id AND o.suspended_at IS NULL AND o.deleted_at IS NULL
    RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A run that a webhook starts. It comes about only if the agent is still the one that was known."""

    org_id: UUID
    id: UUID
    agent_id: UUID
    version_id: UUID
    version: int
    hook_hash: str
    triggered_by: str
    trigger: dict[str, Any]
    priority: int


class Entrance:
    """Of one process."""

    def __init__(self) -> None:
        self._batches: Batches[Entry, bool] = Batches(self._together)

    async def enter(self, entry: Entry) -> bool:
        """Whether it came about; committed when it returns. Raises Unavailable and psycopg.Error."""
        return await self._batches.ask(entry)

    async def _together(self, entries: list[Entry]) -> Sequence[bool | Exception]:
        answers: dict[UUID, bool | Exception] = {}
        for org_id in dict.fromkeys(entry.org_id for entry in entries):
            answers |= await self._of_one_organization([each for each in entries if each.org_id == org_id])
        return [answers[entry.id] for entry in entries]

    async def _of_one_organization(self, entries: list[Entry]) -> dict[UUID, bool | Exception]:
        given = dumps([_row(entry) for entry in entries])
        try:
            rows = (await lanes().transact(entries[0].org_id, [(_ENTER, {"entries": given})]))[0]
        except Exception as error:
            if len(entries) == 1:
                return {entries[0].id: error}
            alone = [await self._of_one_organization([entry]) for entry in entries]
            return {key: answer for each in alone for key, answer in each.items()}
        entered = {row[0] for row in rows}
        hints().give(RUN_JOB)
        notices().post([(organization_channel(entries[0].org_id), str(key)) for key in entered])
        return {entry.id: entry.id in entered for entry in entries}


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "agent_id": entry.agent_id,
        "version_id": entry.version_id,
        "version": entry.version,
        "hook_hash": entry.hook_hash,
        "triggered_by": entry.triggered_by,
        "trigger": entry.trigger,
        "priority": entry.priority,
    }


@lru_cache(maxsize=1)
def entrance() -> Entrance:
    return Entrance()
