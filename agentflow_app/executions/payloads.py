"""What is too large for the rows of a run: stored once beside them, and passed by reference.

Where a large value would stand there is the beginning of it, so that lists and pages stay light. Whoever
needs the whole follows the reference. Payloads belong to their run and go with it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlmodel import col

from agentflow_app.core.database import Transaction
from agentflow_app.core.errors import NotFound
from agentflow_app.core.serialization import dumps
from agentflow_app.core.settings import settings
from agentflow_app.executions.models import Execution, Payload
from engine.sizes import size_of

PREVIEW_ROOM = 4_000
"""Characters of text in all that a preview shows."""
PREVIEW_TEXT = 500
PREVIEW_ITEMS = 20
PREVIEW_DEPTH = 5
MORE = "…"
_COPY = text(
    """
    INSERT INTO payloads (execution_id, id, org_id, size, content)
    SELECT :copy, p.id, p.org_id, p.size, p.content FROM payloads p
    WHERE p.execution_id = :original AND p.id IN (
        SELECT unnest(ARRAY[s.input_ref, s.output_ref]) FROM execution_steps s WHERE s.execution_id = :copy
        UNION SELECT e.trigger_ref FROM executions e WHERE e.id = :copy)
    ON CONFLICT DO NOTHING
    """
)


_STORE = text(
    """
    INSERT INTO payloads (execution_id, id, org_id, size, content)
    VALUES (:execution_id, :id, :org_id, :size, cast(:content AS jsonb)) ON CONFLICT DO NOTHING
    """
)


class PayloadNotFound(NotFound):
    code = "PAYLOAD_NOT_FOUND"


@dataclass(frozen=True, slots=True)
class Refs:
    """Where a step's input and output are, if not in its row."""

    input: UUID | None = None
    output: UUID | None = None


@dataclass(slots=True)
class Kept:
    """Gathers what is to be stored beside one run: its JSON by id."""

    contents: dict[UUID, str] = field(default_factory=dict)

    def keep(self, value: Any) -> tuple[Any, UUID | None]:
        """What stands in the row, and the reference to the whole where that is not all of it."""
        if not is_large(value):
            return value, None
        content = dumps(value)
        # The same content is the same payload, so that what is handed on is stored once.
        found = UUID(bytes=sha256(content.encode()).digest()[:16])
        self.contents[found] = content
        return preview(value), found

    def rows(self, execution_id: UUID) -> list[dict[str, Any]]:
        return [
            {"execution_id": execution_id, "id": key, "size": len(content.encode()), "content": content}
            for key, content in self.contents.items()
        ]


def is_large(value: Any) -> bool:
    return size_of(value) > settings().payload_bytes


def preview(value: Any) -> Any:
    """The beginning of a value, of the same kind and in the same shape."""
    return _Preview().of(value, PREVIEW_DEPTH)


class _Preview:
    def __init__(self) -> None:
        self._room = PREVIEW_ROOM

    def of(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            most = max(min(PREVIEW_TEXT, self._room), 0)
            self._room -= min(len(value), most)
            return value if len(value) <= most else value[:most] + MORE
        if not isinstance(value, dict | list | tuple):
            self._room -= 10
            return value
        if value and (depth == 0 or self._room <= 0):
            return MORE
        if isinstance(value, dict):
            return self._fields(value, depth)
        items = []
        for item in value[:PREVIEW_ITEMS]:
            if self._room <= 0:
                break
            items.append(self.of(item, depth - 1))
        left = len(value) - len(items)
        return [*items, f"{MORE} {left} more"] if left else items

    def _fields(self, value: Mapping[str, Any], depth: int) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        # What is small first: it tells more than one list that leaves no room.
        light_first = sorted(list(value.items())[:PREVIEW_ITEMS], key=lambda each: _holds(each[1]))
        for key, item in light_first:
            if self._room <= 0:
                break
            self._room -= len(key)
            shown[key[:PREVIEW_TEXT]] = self.of(item, depth - 1)
        left = len(value) - len(shown)
        return {**shown, MORE: f"{left} more"} if left else shown


def _holds(value: Any) -> bool:
    return isinstance(value, dict | list | tuple)


def address(execution_id: UUID, ref: UUID | None) -> str | None:
    """Where the API has the whole."""
    return f"/api/v1/executions/{execution_id}/payloads/{ref}" if ref is not None else None


async def store(tx: Transaction, org_id: UUID, execution_id: UUID, kept: Kept) -> None:
    for row in kept.rows(execution_id):
        await tx.execute(_STORE, {**row, "org_id": org_id})


async def contents(tx: Transaction, execution_id: UUID, refs: Iterable[UUID | None]) -> dict[UUID, Any]:
    """The values that the references stand for."""
    wanted: Collection[UUID] = {ref for ref in refs if ref is not None}
    if not wanted:
        return {}
    rows = await tx.execute(
        select(col(Payload.id), col(Payload.content)).where(
            col(Payload.execution_id) == execution_id, col(Payload.id).in_(wanted)
        )
    )
    return {row[0]: row[1] for row in rows}


async def whole(tx: Transaction, execution_id: UUID, value: Any, ref: UUID | None) -> Any:
    """`value` if that is all, else what `ref` stands for."""
    return value if ref is None else (await contents(tx, execution_id, [ref])).get(ref, value)


async def trigger_data(tx: Transaction, execution: Execution) -> Any:
    return await whole(tx, execution.id, execution.trigger.get("data"), execution.trigger_ref)


async def copy_payloads(tx: Transaction, original: UUID, copy: UUID) -> None:
    """What the steps and the trigger of a run refer to that were taken over from another."""
    await tx.execute(_COPY, {"original": original, "copy": copy})
