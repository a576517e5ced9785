"""A connection on which a transaction is one round trip: all of it is sent before the first answer is read.

Below psycopg's cursors, which take longer than Postgres for what is asked of it all the time: psycopg
connects and adapts the values, but statements are sent and awaited here, as libpq's pipeline mode has it.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.rows import TupleRow

Statement = tuple[bytes, Mapping[str, Any]]
_PLACE = re.compile(rb"%\((\w+)\)s|%%")


class PipelinedConnection:
    """Not to be used again once it has raised: what was asked may still be under way."""

    def __init__(self, connection: psycopg.AsyncConnection[TupleRow]) -> None:
        """Takes over a connection in autocommit."""
        self._connection = connection
        self._pg = connection.pgconn
        self._pg.enter_pipeline_mode()
        self._names: dict[tuple[bytes, tuple[int, ...]], bytes] = {}

    @property
    def closed(self) -> bool:
        return self._connection.closed

    async def close(self) -> None:
        await self._connection.close()

    async def transact(self, statements: Sequence[Statement]) -> list[list[TupleRow]]:
        """The rows of each, once all are committed; nothing is where one fails. Raises psycopg.Error.

        What is sent before a sync is one transaction; nobody has to say where it begins and ends.
        """
        wanted = []
        for sql, given in statements:
            wanted += self._send(sql, given)
        self._pg.pipeline_sync()
        await self._flush()
        results = await self._results()
        return [self._rows(result) for result, tells in zip(results, wanted, strict=True) if tells]

    def _send(self, sql: bytes, given: Mapping[str, Any]) -> list[bool]:
        """Of each answer that will come, whether it is the statement's."""
        text, names = _numbered(sql)
        adapters = Transformer.from_context(self._connection)
        values = adapters.dump_sequence([given[name] for name in names], [PyFormat.TEXT] * len(names))
        key = (sql, adapters.types or ())
        known = self._names.get(key)
        if known is not None:
            self._pg.send_query_prepared(known, values)
            return [True]
        self._names[key] = name = b"lane%d" % len(self._names)
        self._pg.send_prepare(name, text, key[1])
        self._pg.send_query_prepared(name, values)
        return [False, True]

    async def _flush(self) -> None:
        while self._pg.flush():
            # The server may first want to be rid of what it has to say.
            await self._ready(writable=True)
            self._pg.consume_input()

    async def _results(self) -> list[pq.abc.PGresult]:
        """All up to the sync. Raises the first failure once nothing more is to come."""
        found: list[pq.abc.PGresult] = []
        failed: psycopg.Error | None = None
        while True:
            while self._pg.is_busy():
                await self._ready()
                self._pg.consume_input()
            result = self._pg.get_result()
            if result is None:
                continue
            if result.status == pq.ExecStatus.FATAL_ERROR and failed is None:
                failed = error_from_result(result)
            if self._pg.status == pq.ConnStatus.BAD:
                raise psycopg.OperationalError(str(failed))
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                if failed is not None:
                    raise failed
                return found
            found.append(result)

    async def _ready(self, *, writable: bool = False) -> None:
        """Listened to only for so long: libpq closes a socket as soon as it sees that it is cut."""
        loop, socket = asyncio.get_running_loop(), self._pg.socket
        ready: asyncio.Future[None] = loop.create_future()

        def tell() -> None:
            if not ready.done():
                ready.set_result(None)

        loop.add_reader(socket, tell)
        try:
            if writable:
                loop.add_writer(socket, tell)
            await ready
        finally:
            loop.remove_reader(socket)
            if writable:
                loop.remove_writer(socket)

    def _rows(self, result: pq.abc.PGresult) -> list[TupleRow]:
        adapters = Transformer.from_context(self._connection)
        adapters.set_pgresult(result)
        return adapters.load_rows(0, result.ntuples, tuple)


@lru_cache(maxsize=100)
def _numbered(sql: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The statement with `$1` for `%(name)s`, and the names in that order."""
    names: list[str] = []

    def place(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            return b"%"
        name = match[1].decode()
        if name not in names:
            names.append(name)
        return b"$%d" % (names.index(name) + 1)

    return _PLACE.sub(place, sql), tuple(names)
