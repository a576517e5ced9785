"""What a worker has to know of the executions that it has just claimed: read for many of them at once."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from agentflow_app.core.lanes import Batches, lanes
from agentflow_app.executions.claims import Claim
from agentflow_app.executions.kin import Parent
from engine.definition import Definition
from engine.errors import InvalidDefinitionError, LeaseLostError

KEPT_DEFINITIONS = 200

_READ = b"""
    SELECT e.id, e.event_seq, e.started_at, e.trigger, e.options, e.dry_run, e.triggered_by,
        e.triggered_by_user, e.variables, e.agent_version_id, e.definition, a.settings, o.settings,
        e.parent_id, e.parent_step_id,
        e.trigger_ref
    FROM executions e JOIN agents a ON a.id = e.agent_id JOIN organizations o ON o.id = e.org_id
    WHERE e.id = ANY(%(ids)s)
"""
_TRIGGER = b"SELECT content FROM payloads WHERE execution_id = %(id)s AND id = %(ref)s"
_DEFINITION = b"SELECT definition FROM agent_versions WHERE id = %(id)s"


@dataclass(frozen=True, slots=True)
class Assignment:
    """One claimed execution: where it stands, what started it, and by which settings it runs."""

    id: UUID
    event_seq: int
    started_at: datetime | None
    trigger: dict[str, Any]
    options: dict[str, Any]
    dry_run: bool
    triggered_by: str
    triggered_by_user: UUID | None
    variables: dict[str, Any] | None
    version_id: UUID | None
    own_definition: dict[str, Any] | None
    agent_settings: dict[str, Any]
    organization_settings: dict[str, Any]
    parent_id: UUID | None
    parent_step_id: UUID | None
    trigger_ref: UUID | None

    @property
    def parent(self) -> Parent | None:
        """What waits for its end."""
        if self.parent_id is None or self.parent_step_id is None:
            return None
        return Parent(self.parent_id, self.parent_step_id)


class Assignments:
    """Those of one process. A published version never changes, so that its definition is kept."""

    def __init__(self) -> None:
        self._batches: Batches[Claim, Assignment] = Batches(self._together)
        self._definitions: OrderedDict[UUID, Definition] = OrderedDict()

    async def read(self, claim: Claim) -> Assignment:
        """Raises LeaseLostError where it is gone, Unavailable and psycopg.Error."""
        return await self._batches.ask(claim)

    async def definition(self, org_id: UUID, assignment: Assignment) -> Definition:
        """The graph that it runs. Raises InvalidDefinitionError for one that this code knows no more."""
        version_id = assignment.version_id
        if assignment.own_definition is not None or version_id is None:
            return _definition(assignment.own_definition or {})
        kept = self._definitions.get(version_id)
        if kept is None:
            rows = (await lanes().transact(org_id, [(_DEFINITION, {"id": version_id})]))[0]
            kept = _definition(rows[0][0] if rows else {})
            if len(self._definitions) >= KEPT_DEFINITIONS:
                self._definitions.popitem(last=False)
            self._definitions[version_id] = kept
        return kept

    async def _together(self, claims: list[Claim]) -> Sequence[Assignment | Exception]:
        found: dict[UUID, Assignment] = {}
        for org_id in dict.fromkeys(claim.org_id for claim in claims):
            ids = [claim.id for claim in claims if claim.org_id == org_id]
            for row in (await lanes().transact(org_id, [(_READ, {"ids": ids})]))[0]:
                found[row[0]] = await _whole(org_id, Assignment(*row))
        gone = LeaseLostError("The execution is not there any more")
        return [found.get(claim.id, gone) for claim in claims]


@lru_cache(maxsize=1)
def assignments() -> Assignments:
    return Assignments()


async def _whole(org_id: UUID, found: Assignment) -> Assignment:
    """With all of what started it."""
    if found.trigger_ref is None:
        return found
    given = {"id": found.id, "ref": found.trigger_ref}
    rows = (await lanes().transact(org_id, [(_TRIGGER, given)]))[0]
    return replace(found, trigger={**found.trigger, "data": rows[0][0] if rows else None})


def _definition(stored: dict[str, Any]) -> Definition:
    try:
        return Definition.model_validate(stored)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in found["loc"])
        raise InvalidDefinitionError(f"This version can no longer be run: {where}: {found['msg']}") from error
