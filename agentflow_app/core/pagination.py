"""Keyset paging: a cursor names the last row's sort value and id, so it is stable while rows are added."""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Select, and_, asc, desc, or_
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow_app.core.errors import ValidationFailed
from agentflow_app.core.schemas import Storable
from agentflow_app.core.tables import LARGEST_INTEGER

Row = TypeVar("Row")
Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """One page of a list. `next_cursor` is None on the last."""

    data: list[Item]
    next_cursor: str | None = None


class PageQuery(Storable):
    """What every list takes."""

    model_config = ConfigDict(extra="forbid")

    cursor: str | None = Field(default=None, max_length=500)
    limit: int = Field(default=20, ge=1, le=100)
    sort: str = "created_at"
    order: Literal["asc", "desc"] = "desc"
    search: str | None = Field(default=None, max_length=200)


def encode_cursor(value: Any, row_id: UUID) -> str:
    kind = "t" if isinstance(value, datetime) else "v"
    raw = orjson.dumps([kind, value.isoformat() if isinstance(value, datetime) else value, str(row_id)])
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[Any, UUID]:
    try:
        kind, value, row_id = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return (datetime.fromisoformat(value) if kind == "t" else value), UUID(row_id)
    except (binascii.Error, ValueError, TypeError, AttributeError) as error:
        raise ValidationFailed(fields={"cursor": "is not a cursor of this list"}) from error


def _comparable(value: Any, kind: type) -> bool:
    """Whether a cursor's value can stand beside a column of this kind; cursors come from outside."""
    if kind is datetime:
        return isinstance(value, datetime) and value.tzinfo is not None
    if kind is int:
        return type(value) is int and abs(value) <= LARGEST_INTEGER
    return isinstance(value, str) and "\x00" not in value


def like(term: str) -> str:
    """`term` as a pattern for ILIKE, its wildcards taken literally."""
    escaped = term.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


async def paginate(
    session: AsyncSession,
    statement: Select[Row],
    query: PageQuery,
    columns: dict[str, Any],
    id_column: Any,
    render: Callable[[Row], Item],
) -> Page[Item]:
    """The page of `statement` that `query` asks for. `columns` are the sort keys allowed."""
    column = columns.get(query.sort)
    if column is None:
        raise ValidationFailed(fields={"sort": f"is one of {', '.join(sorted(columns))}"})
    if query.cursor:
        value, row_id = decode_cursor(query.cursor)
        if not _comparable(value, column.type.python_type):
            raise ValidationFailed(fields={"cursor": "belongs to another sort order"})
        beyond = column < value if query.order == "desc" else column > value
        tie = id_column < row_id if query.order == "desc" else id_column > row_id
        statement = statement.where(or_(beyond, and_(column == value, tie)))
    direction = desc if query.order == "desc" else asc
    statement = statement.order_by(direction(column), direction(id_column)).limit(query.limit + 1)
    rows: list[Row] = list((await session.execute(statement)).scalars())
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    cursor = None
    if more:
        last = rows[-1]
        cursor = encode_cursor(getattr(last, column.key), getattr(last, id_column.key))
    return Page(data=[render(row) for row in rows], next_cursor=cursor)
