"""Moves what is sealed to the active master key: data keys are wrapped anew, data is not touched."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import Column, Connection, LargeBinary, func, literal, select, update

from agentflow_app.core.crypto import CannotUnseal, UnknownMasterKey, cell, key_id_of, rewrap
from agentflow_app.core.crypto.keyring import keyring
from agentflow_app.core.migrations import owner_connection
from agentflow_app.core.settings import Settings
from agentflow_app.core.tables import metadata
from agentflow_app.tables import load_models

BATCH = 100

logger = logging.getLogger(__name__)
SealedColumn = Column[bytes]


@dataclass
class Usage:
    """How many values each master key holds; `active` seals what is new."""

    active: str
    values: Counter[str] = field(default_factory=Counter)

    @property
    def old(self) -> list[str]:
        return sorted(key_id for key_id in self.values if key_id != self.active)


@dataclass
class Rotated:
    """`changed` were written by somebody else meanwhile; `unreadable` need a key that is not there."""

    moved: int = 0
    changed: int = 0
    unreadable: int = 0


def sealed_columns() -> list[SealedColumn]:
    """Every column of every table that `tables.sealed` made."""
    load_models()
    return [
        column for table in metadata.sorted_tables for column in table.columns if column.info.get("sealed")
    ]


async def usage(config: Settings) -> Usage:
    found = Usage(await keyring().active_id())
    with owner_connection(config) as connection:
        for column in sealed_columns():
            # The head up to the key's id says enough.
            length = func.get_byte(column, 1)
            head = func.substring(column, 1, 2 + length)
            query = select(head, func.count()).where(column.is_not(None)).group_by(head)
            for blob, count in connection.execute(query):
                found.values[bytes(blob)[2:].decode("utf-8", "replace")] += count
    return found


async def rotate(config: Settings) -> Rotated:
    """In small batches, each its own transaction, while everything runs: who writes meanwhile wins."""
    active = await keyring().active_id()
    done = Rotated()
    with owner_connection(config) as connection:
        for column in sealed_columns():
            for batch in _batches(connection, column, active):
                for row_id, blob in batch:
                    await _move(connection, column, row_id, blob, done)
                connection.commit()
    return done


def _batches(
    connection: Connection, column: SealedColumn, active: str
) -> Iterator[list[tuple[object, bytes]]]:
    (key,) = column.table.primary_key.columns
    name = active.encode()
    head = bytes([1, len(name)]) + name
    old = func.substring(column, 1, len(head)) != literal(head, LargeBinary)
    last: object = None
    while True:
        query = select(key, column).where(column.is_not(None), old).order_by(key).limit(BATCH)
        if last is not None:
            query = query.where(key > last)
        rows = [(row[0], bytes(row[1])) for row in connection.execute(query)]
        if not rows:
            return
        last = rows[-1][0]
        yield rows


async def _move(
    connection: Connection, column: SealedColumn, row_id: object, blob: bytes, done: Rotated
) -> None:
    table = column.table
    (key,) = table.primary_key.columns
    try:
        moved = await rewrap(blob, cell(table.name, column.name, row_id))
    except (CannotUnseal, UnknownMasterKey) as error:
        logger.warning(
            "A sealed value was left as it is",
            extra={"table": table.name, "id": str(row_id), "key": _key(blob), "error": error.code},
        )
        done.unreadable += 1
        return
    changed = connection.execute(
        update(table).where(key == row_id, column == blob).values({column.name: moved})
    )
    if changed.rowcount:
        done.moved += 1
    else:
        done.changed += 1


def _key(blob: bytes) -> str:
    try:
        return key_id_of(blob)
    except CannotUnseal:
        return "unknown"
