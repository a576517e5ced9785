"""Reads the audit trail: search, filters, export."""

import csv
import io
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, cast, or_, select
from sqlmodel import col

from agentflow_app.accounts.people import names_of
from agentflow_app.audit.models import AuditLog
from agentflow_app.audit.people import keys_of, read
from agentflow_app.audit.schemas import AuditEntry, AuditFilter, AuditPerson, AuditQuery, ExportQuery
from agentflow_app.audit.service import record
from agentflow_app.core.database import Transaction
from agentflow_app.core.ids import parse_id
from agentflow_app.core.pagination import Page, like, paginate
from agentflow_app.core.serialization import dumps
from agentflow_app.core.tenancy import Actor

EXPORTED = 50_000
"""Entries that one export holds at most, the newest first; dates narrow it."""
ERASED = "Erased person"
_NAMING = ("user_id", "to")
"""Details that hold the id of a person."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = (
    "created_at",
    "action",
    "user_id",
    "email",
    "name",
    "address",
    "user_agent",
    "resource_type",
    "resource_id",
    "people",
    "details",
    "seq",
    "hash",
)


class AuditTrail:
    """One organization's, as one actor in one transaction."""

    def __init__(self, tx: Transaction, actor: Actor) -> None:
        self.tx = tx
        self.actor = actor

    async def page(self, query: AuditQuery) -> Page[AuditEntry]:
        self.actor.require("audit:read")
        statement = self._matching(query)
        if query.search:
            pattern = like(query.search)
            told = cast(col(AuditLog.details), Text)
            statement = statement.where(or_(col(AuditLog.action).ilike(pattern), told.ilike(pattern)))
        columns = {"created_at": col(AuditLog.created_at), "seq": col(AuditLog.seq)}
        page = await paginate(self.tx, statement, query, columns, col(AuditLog.id), _same)
        return Page(data=await self._readable(page.data), next_cursor=page.next_cursor)

    async def own(self) -> list[AuditEntry]:
        """What the actor did, whatever their role; the newest first, as many as an export holds.

        Without the names of others: it is the actor's own data.
        """
        query = (
            select(AuditLog)
            .where(col(AuditLog.org_id) == self.actor.org_id, col(AuditLog.user_id) == self.actor.user_id)
            .order_by(col(AuditLog.seq).desc())
            .limit(EXPORTED)
        )
        return await self._readable(list((await self.tx.execute(query)).scalars()), others=False)

    async def export(self, query: ExportQuery) -> bytes:
        """The entries as CSV or as lines of JSON. The export is itself an entry."""
        self.actor.require("audit:read")
        newest = self._matching(query).order_by(col(AuditLog.seq).desc()).limit(EXPORTED)
        entries = await self._readable(list((await self.tx.execute(newest)).scalars()))
        told = query.model_dump(mode="json", exclude_none=True) | {"entries": len(entries)}
        record(self.tx, self.actor, "audit.exported", "audit", None, told)
        return _as_csv(entries) if query.format == "csv" else _as_lines(entries)

    def _matching(self, query: AuditFilter) -> Select[Any]:
        statement = select(AuditLog).where(col(AuditLog.org_id) == self.actor.org_id)
        if query.action:
            action, of_resource = col(AuditLog.action), col(AuditLog.action).startswith(query.action + ".")
            statement = statement.where(or_(action == query.action, of_resource))
        for column, value in (
            (col(AuditLog.user_id), query.user_id),
            (col(AuditLog.resource_type), query.resource_type),
            (col(AuditLog.resource_id), query.resource_id),
        ):
            if value is not None:
                statement = statement.where(column == value)
        if query.since:
            statement = statement.where(col(AuditLog.created_at) >= query.since)
        if query.until:
            statement = statement.where(col(AuditLog.created_at) < query.until)
        return statement

    async def _readable(self, rows: Sequence[AuditLog], *, others: bool = True) -> list[AuditEntry]:
        keys = await keys_of(self.tx, {row.user_id for row in rows if row.user_id})
        meant = {row.id: _people(row) if others else set() for row in rows}
        named = await self._names(set().union(*meant.values()))
        return [
            _entry(row, keys, {each: named[each] for each in sorted(meant[row.id]) if each in named})
            for row in rows
        ]

    async def _names(self, ids: set[UUID]) -> dict[UUID, str]:
        """Of members now, and of who was erased since."""
        if not ids or not self.actor.can("members:read"):
            return {}
        erased = select(col(AuditLog.resource_id)).where(
            col(AuditLog.org_id) == self.actor.org_id,
            col(AuditLog.action) == "user.erased",
            col(AuditLog.resource_id).in_(ids),
        )
        gone = {each for each in (await self.tx.execute(erased)).scalars() if each}
        return await names_of(self.tx, ids) | dict.fromkeys(gone, ERASED)


def _same(row: Any) -> AuditLog:
    return row  # type: ignore[no-any-return]


def _people(row: AuditLog) -> set[UUID]:
    """Who did it, to whom, and whom its details name."""
    told = {name: row.details.get(name) for name in _NAMING}
    found = {row.user_id, *(parse_id(each) for each in told.values() if isinstance(each, str))}
    if row.resource_type in ("member", "user"):
        found.add(row.resource_id)
    return {each for each in found if each}


def _entry(row: AuditLog, keys: dict[UUID, bytes], named: dict[UUID, str]) -> AuditEntry:
    trace = read(row.personal, keys.get(row.user_id) if row.user_id else None, row.id)
    return AuditEntry(
        id=row.id,
        seq=row.seq,
        action=row.action,
        resource_type=row.resource_type,
        resource_id=row.resource_id,
        user_id=row.user_id,
        user=AuditPerson(email=trace.email, name=trace.name) if trace else None,
        address=trace.address if trace else None,
        user_agent=trace.user_agent if trace else None,
        details=row.details,
        people=named,
        hash=row.hash.hex(),
        created_at=row.created_at,
    )


def _as_lines(entries: Sequence[AuditEntry]) -> bytes:
    return "".join(entry.model_dump_json() + "\n" for entry in entries).encode()


def _as_csv(entries: Sequence[AuditEntry]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for entry in entries:
        flat = entry.model_dump(mode="json") | {"details": dumps(entry.details)}
        flat["people"] = "; ".join(entry.people.values())
        flat |= entry.user.model_dump() if entry.user else {"email": None, "name": None}
        writer.writerow([_cell(flat[name]) for name in _COLUMNS])
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    """What a spreadsheet would run as a formula is quoted."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
