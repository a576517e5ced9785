"""Columns that every table spells the same way."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, DateTime, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from agentflow_app.core.ids import new_id

metadata = SQLModel.metadata
timestamp = DateTime(timezone=True)
LARGEST_INTEGER = 2**31 - 1


def primary_key() -> Any:
    return Field(default_factory=new_id, primary_key=True)


def json_field(*, nullable: bool = False, default: Callable[[], Any] = dict) -> Any:
    """A JSONB column; `{}` by default, or NULL."""
    if nullable:
        return Field(default=None, sa_column=Column(JSONB(none_as_null=True), nullable=True))
    return Field(
        default_factory=default, sa_column=Column(JSONB, nullable=False, server_default=text("'{}'::jsonb"))
    )


def sealed(*, nullable: bool = False) -> Any:
    """Bytes of `seal(…, cell(table, column, row.id))`; rotation finds the column by its `info`."""
    info = {"sealed": True}
    if nullable:
        return Field(default=None, sa_column=Column(LargeBinary, nullable=True, info=info))
    return Field(sa_column=Column(LargeBinary, nullable=False, info=info))


def tenant() -> Any:
    """The organization a row belongs to; row-level security compares it."""
    return Field(foreign_key="organizations.id", ondelete="CASCADE", index=True)


def created() -> Any:
    return Field(
        default=None, sa_type=timestamp, nullable=False, sa_column_kwargs={"server_default": text("now()")}
    )


def moment(*, required: bool = False) -> Any:
    if required:
        return Field(sa_type=timestamp, nullable=False)
    return Field(default=None, sa_type=timestamp, nullable=True)


__all__ = [
    "LARGEST_INTEGER",
    "created",
    "json_field",
    "metadata",
    "moment",
    "primary_key",
    "sealed",
    "tenant",
    "timestamp",
]
