"""Everything an organization has, as one file: asked for by its owner, written by a worker, kept for a week.

A table of a feature that comes later is in it without a word here; what is secret never is: sealed columns,
raw bytes, and the hashes and tokens that logins and hooks are found by.
"""

import asyncio
import logging
import tempfile
import zipfile
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import IO, Any
from uuid import UUID

from sqlalchemy import Column, LargeBinary, Table, delete, func, or_, select, update
from sqlmodel import col

from agentflow_app.accounts.people import find_people
from agentflow_app.audit.service import record
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import Conflict, NotFound
from agentflow_app.core.ids import new_id
from agentflow_app.core.jobs import enqueue
from agentflow_app.core.pagination import Page, PageQuery, paginate
from agentflow_app.core.serialization import dumps
from agentflow_app.core.tables import metadata
from agentflow_app.organizations.base import OrganizationUseCases
from agentflow_app.organizations.models import Export, ExportPart, Membership, Organization
from agentflow_app.organizations.schemas import ExportOut
from agentflow_app.tables import load_models

logger = logging.getLogger(__name__)
EXPORT_JOB = "organization.export"
PART_BYTES = 1 << 20
STALE = timedelta(minutes=30)
"""After which an export whose worker was lost is begun anew."""
KEPT = timedelta(days=7)
_LEFT_OUT = frozenset(
    {
        "org_exports",
        "org_export_parts",
        "idempotency_keys",
        "page_sessions",
        "refresh_tokens",
    }
)
_README = """This is all that {name} has in AgentFlow, as of {when}.

organization.json is the organization, members.jsonl its members; each other file is a table, one JSON object
on each line. Secrets are not in it: neither values of secrets and credentials, nor keys, nor hashes of them.
"""


class ExportNotFound(NotFound):
    code = "EXPORT_NOT_FOUND"

    def __init__(self, export_id: UUID) -> None:
        super().__init__(f"There is no export {export_id}")


class ExportNotReady(Conflict):
    code = "EXPORT_NOT_READY"

    def __init__(self) -> None:
        super().__init__("The export is not ready; look again in a moment")


class ExportService(OrganizationUseCases):
    async def request(self) -> ExportOut:
        """Asks for one. While one is being written, that one is the answer."""
        self.actor.require("org:export")
        await self.organization(lock=True)
        running = select(Export).where(
            col(Export.org_id) == self.actor.org_id, col(Export.status) == "pending"
        )
        export = (await self.tx.execute(running.limit(1))).scalar_one_or_none()
        if export is None:
            export = Export(id=new_id(), org_id=self.actor.org_id, requested_by=self.actor.user_id)
            self.tx.add(export)
            record(self.tx, self.actor, "organization.export_requested", "export", export.id)
            await self.tx.flush()
            await self.tx.refresh(export)
        enqueue(self.tx, EXPORT_JOB, str(export.id))
        return ExportOut.model_validate(export)

    async def list(self, query: PageQuery) -> Page[ExportOut]:
        self.actor.require("org:export")
        statement = select(Export).where(col(Export.org_id) == self.actor.org_id)
        columns = {"created_at": col(Export.created_at)}
        return await paginate(self.tx, statement, query, columns, col(Export.id), ExportOut.model_validate)

    async def get(self, export_id: UUID) -> ExportOut:
        self.actor.require("org:export")
        return ExportOut.model_validate(await self._load(export_id))

    async def open(self, export_id: UUID) -> AsyncIterator[bytes]:
        """The file, piece by piece. Raises ExportNotFound or ExportNotReady."""
        self.actor.require("org:export")
        export = await self._load(export_id)
        if export.status != "ready":
            raise ExportNotReady
        record(self.tx, self.actor, "organization.export_downloaded", "export", export.id)
        return _parts(self.actor.org_id, export.id)

    async def is_fresh(self) -> bool:
        """Whether one from the last day is ready."""
        fresh = (
            select(func.count())
            .select_from(Export)
            .where(
                col(Export.org_id) == self.actor.org_id,
                col(Export.status) == "ready",
                col(Export.completed_at) > utcnow() - timedelta(days=1),
            )
        )
        return bool((await self.tx.execute(fresh)).scalar_one())

    async def _load(self, export_id: UUID) -> Export:
        query = select(Export).where(col(Export.id) == export_id, col(Export.org_id) == self.actor.org_id)
        export = (await self.tx.execute(query)).scalar_one_or_none()
        if export is None:
            raise ExportNotFound(export_id)
        return export


async def _parts(org_id: UUID, export_id: UUID) -> AsyncIterator[bytes]:
    """Each in a transaction of its own: a slow reader holds none."""
    place = 0
    while True:
        query = select(col(ExportPart.content)).where(
            col(ExportPart.export_id) == export_id, col(ExportPart.place) == place
        )
        async with database().transaction(org_id=org_id) as tx:
            content = (await tx.execute(query)).scalar_one_or_none()
        if content is None:
            return
        yield content
        place += 1


async def write_export(export_id: UUID) -> None:
    """Writes the file, if that is still to be done and nobody else does it."""
    org_id = await _claim(export_id)
    if org_id is None:
        return
    try:
        with tempfile.TemporaryFile() as file:
            async with database().transaction(org_id=org_id) as tx:
                await _write(tx, org_id, file)
            await _store(org_id, export_id, file)
    except Exception:
        await _end(org_id, export_id, "failed", 0)
        raise


async def _claim(export_id: UUID) -> UUID | None:
    async with database().system() as tx:
        query = select(col(Export.org_id)).where(col(Export.id) == export_id)
        org_id = (await tx.execute(query)).scalar_one_or_none()
    if org_id is None:
        return None
    free = or_(col(Export.claimed_at).is_(None), col(Export.claimed_at) < func.now() - STALE)
    mine = (
        update(Export)
        .where(col(Export.id) == export_id, col(Export.status) == "pending", free)
        .values(claimed_at=func.now())
        .returning(col(Export.id))
    )
    async with database().transaction(org_id=org_id) as tx:
        return org_id if (await tx.execute(mine)).scalar_one_or_none() else None


async def _write(tx: Transaction, org_id: UUID, file: IO[bytes]) -> None:
    load_models()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        organization = (
            await tx.execute(select(Organization).where(col(Organization.id) == org_id))
        ).scalar_one()
        when = utcnow().isoformat(timespec="seconds")
        archive.writestr("README.txt", _README.format(name=organization.name, when=when))
        told = organization.model_dump(mode="json", exclude={"stripe_customer_id"})
        archive.writestr("organization.json", dumps(told))
        await _write_members(tx, org_id, archive)
        for table in metadata.sorted_tables:
            if "org_id" in table.c and table.name not in _LEFT_OUT and table.name != "org_memberships":
                await _write_table(tx, org_id, table, archive)


async def _write_members(tx: Transaction, org_id: UUID, archive: zipfile.ZipFile) -> None:
    members = (await tx.execute(select(Membership).where(col(Membership.org_id) == org_id))).scalars().all()
    people = await find_people(tx, {each.user_id for each in members})
    with archive.open("members.jsonl", "w") as lines:
        for each in members:
            person = people[each.user_id]
            told = each.model_dump(include={"user_id", "role", "status", "created_at"})
            lines.write((dumps(told | {"name": person.name, "email": person.email}) + "\n").encode())


async def _write_table(tx: Transaction, org_id: UUID, table: Table, archive: zipfile.ZipFile) -> None:
    columns = [column for column in table.c if is_exported(column)]
    statement = select(*columns).where(table.c.org_id == org_id).order_by(*table.primary_key.columns)
    with archive.open(f"{table.name}.jsonl", "w", force_zip64=True) as lines:
        rows = await tx.stream(statement.execution_options(yield_per=200))
        try:
            async for row in rows:
                lines.write((dumps(_plain(row._mapping)) + "\n").encode())
                await asyncio.sleep(0)
        finally:
            await rows.close()


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {k: str(v) if isinstance(v, IPv4Address | IPv6Address) else v for k, v in row.items()}


def is_exported(column: "Column[object]") -> bool:
    secret = column.name.endswith(("_hash", "_token", "_secret")) or column.info.get("sealed")
    return not secret and not isinstance(column.type, LargeBinary)


async def _store(org_id: UUID, export_id: UUID, file: IO[bytes]) -> None:
    size, place = file.seek(0, 2), 0
    file.seek(0)
    async with database().transaction(org_id=org_id) as tx:
        await tx.execute(delete(ExportPart).where(col(ExportPart.export_id) == export_id))
        while content := file.read(PART_BYTES):
            tx.add(ExportPart(org_id=org_id, export_id=export_id, place=place, content=content))
            await tx.flush()
            tx.expunge_all()
            place += 1
        await _mark(tx, export_id, "ready", size)


async def _end(org_id: UUID, export_id: UUID, status: str, size: int) -> None:
    async with database().transaction(org_id=org_id) as tx:
        await _mark(tx, export_id, status, size)


async def _mark(tx: Transaction, export_id: UUID, status: str, size: int) -> None:
    ended = {"status": status, "size": size, "completed_at": func.now()}
    await tx.execute(update(Export).where(col(Export.id) == export_id).values(**ended))


async def due_exports(limit: int) -> list[UUID]:
    """Those that no worker has, for the reconciler."""
    free = or_(col(Export.claimed_at).is_(None), col(Export.claimed_at) < func.now() - STALE)
    query = (
        select(col(Export.id))
        .where(
            col(Export.status) == "pending", free, col(Export.created_at) < func.now() - timedelta(seconds=10)
        )
        .limit(limit)
    )
    async with database().system() as tx:
        return list((await tx.execute(query)).scalars())


async def sweep_exports() -> None:
    """Removes files that were kept long enough."""
    old = select(col(Export.org_id), col(Export.id)).where(col(Export.created_at) < func.now() - KEPT)
    async with database().system() as tx:
        found = (await tx.execute(old)).all()
    for org_id, export_id in found:
        async with database().transaction(org_id=org_id) as tx:
            await tx.execute(delete(Export).where(col(Export.id) == export_id))
