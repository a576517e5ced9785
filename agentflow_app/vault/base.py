"""What the vault's use cases share."""

from collections.abc import Sequence
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel, col

from agentflow_app.accounts.people import names_of
from agentflow_app.core.database import Transaction
from agentflow_app.core.errors import Conflict, NotFound
from agentflow_app.core.pagination import Page, PageQuery, like, paginate
from agentflow_app.core.tenancy import Actor
from agentflow_app.vault.models import Credential, Secret, Variable
from agentflow_app.vault.schemas import KeptOut

Kept = TypeVar("Kept", Secret, Variable, Credential)
Shown = TypeVar("Shown", bound=KeptOut)


class NotKept(NotFound):
    code = "NOT_FOUND"


class NameTaken(Conflict):
    code = "NAME_TAKEN"


class VaultUseCases(Generic[Kept]):
    """Bound to one transaction and one actor; `table` and `noun` say what it is about."""

    table: type[Kept]
    noun: str

    def __init__(self, tx: Transaction, actor: Actor) -> None:
        self.tx = tx
        self.actor = actor

    async def load(self, item_id: UUID, *, lock: bool = False) -> Kept:
        """Raises NotKept, also for another organization's."""
        query = select(self.table).where(
            col(self.table.id) == item_id, col(self.table.org_id) == self.actor.org_id
        )
        if lock:
            query = query.with_for_update()
        found = (await self.tx.execute(query)).scalar_one_or_none()
        if found is None:
            raise NotKept(f"There is no {self.noun} {item_id}")
        return found

    async def page(self, query: PageQuery) -> Page[Kept]:
        statement = select(self.table).where(col(self.table.org_id) == self.actor.org_id)
        if query.search:
            pattern = like(query.search)
            statement = statement.where(
                or_(col(self.table.name).ilike(pattern), col(self.table.description).ilike(pattern))
            )
        columns = {name: col(getattr(self.table, name)) for name in ("created_at", "updated_at", "name")}
        return await paginate(self.tx, statement, query, columns, col(self.table.id), _same)

    async def names(self) -> set[str]:
        """What all of the organization's are called."""
        rows = await self.tx.execute(
            select(col(self.table.name)).where(col(self.table.org_id) == self.actor.org_id)
        )
        return set(rows.scalars())

    async def flush_named(self, name: str) -> None:
        """Raises NameTaken where another one has the name."""
        try:
            async with self.tx.begin_nested():
                await self.tx.flush()
        except IntegrityError as error:
            raise NameTaken(f"There is a {self.noun} named {name} already") from error

    async def remove(self, kept: SQLModel) -> None:
        await self.tx.delete(kept)
        await self.tx.flush()

    async def shown(self, kept: Kept, kind: type[Shown]) -> Shown:
        return (await self._render([kept], kind))[0]

    async def shown_page(self, query: PageQuery, kind: type[Shown]) -> Page[Shown]:
        page = await self.page(query)
        return Page(data=await self._render(page.data, kind), next_cursor=page.next_cursor)

    async def _render(self, rows: Sequence[Kept], kind: type[Shown]) -> list[Shown]:
        authors = await names_of(self.tx, {row.updated_by for row in rows if row.updated_by})
        fields = set(kind.model_fields) - {"updated_by_name"}
        return [
            kind(
                **row.model_dump(include=fields),
                updated_by_name=authors.get(row.updated_by) if row.updated_by else None,
            )
            for row in rows
        ]


def _same(row: Kept) -> Kept:
    return row
