"""For what is asked of Postgres all the time: whole transactions in one round trip, shared by many askers.

Past the ORM and its pool. As the app role each transaction is in its own tenant.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Generic, TypeVar
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_loads

from agentflow_app.core.database import (
    SET_TENANT,
    DatabaseRole,
    connection_options,
    role_url,
    unavailable_when_down,
)
from agentflow_app.core.errors import Unavailable
from agentflow_app.core.pipeline import PipelinedConnection, Statement
from agentflow_app.core.serialization import loads
from agentflow_app.core.settings import settings

Item = TypeVar("Item")
Answer = TypeVar("Answer")
_SET_TENANT = SET_TENANT.encode()
LARGEST_BATCH = 64
LONGEST_SECONDS = 30.0
"""After so long a database that keeps its connections open but does nothing counts as away."""
LANES = 2


class Lane:
    """One connection, made at first use and again when it is gone."""

    def __init__(self, role: DatabaseRole = "app") -> None:
        self._role = role
        self._connection: PipelinedConnection | None = None

    async def transact(self, org_id: UUID | None, statements: Sequence[Statement]) -> list[list[TupleRow]]:
        """The rows of each statement, once all are committed. Raises Unavailable, and psycopg.Error."""
        try:
            async with asyncio.timeout(LONGEST_SECONDS), unavailable_when_down():
                return await self._transact(org_id, statements)
        except TimeoutError as error:
            raise Unavailable("The database does not answer; try again in a moment", retry_after=2) from error

    async def _transact(self, org_id: UUID | None, statements: Sequence[Statement]) -> list[list[TupleRow]]:
        connection = await self._connected()
        try:
            if org_id is None:
                return await connection.transact(statements)
            scope = {"org": str(org_id), "user": ""}
            return (await connection.transact([(_SET_TENANT, scope), *statements]))[1:]
        except BaseException:
            # Whatever state it is in, the next transaction must not be part of it.
            self._connection = None
            await connection.close()
            raise

    async def _connected(self) -> PipelinedConnection:
        if self._connection is None or self._connection.closed:
            url = role_url(settings(), self._role).set(drivername="postgresql")
            address = url.render_as_string(hide_password=False)
            connection = await psycopg.AsyncConnection.connect(
                address, autocommit=True, **connection_options(f"{self._role}-lane")
            )
            set_json_loads(loads, connection)
            self._connection = PipelinedConnection(connection)
        return self._connection

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()


class Lanes:
    """A few lanes of one role, lent one transaction at a time."""

    def __init__(self, role: DatabaseRole, count: int) -> None:
        self._count = count
        self._free: asyncio.LifoQueue[Lane] = asyncio.LifoQueue()
        for _ in range(count):
            self._free.put_nowait(Lane(role))

    async def transact(self, org_id: UUID | None, statements: Sequence[Statement]) -> list[list[TupleRow]]:
        """As `Lane.transact`, on the first lane that is free."""
        lane = await self._free.get()
        try:
            return await lane.transact(org_id, statements)
        finally:
            self._free.put_nowait(lane)

    async def close(self) -> None:
        """Once what is under way has ended."""
        for _ in range(self._count):
            await (await self._free.get()).close()


class Batches(Generic[Item, Answer]):
    """Gathers what is asked while earlier batches are under way, and has it done together.

    `together` answers the items in their order; an answer that is an exception is raised at its asker.
    """

    def __init__(
        self, together: Callable[[list[Item]], Awaitable[Sequence[Answer | Exception]]], at_once: int = LANES
    ) -> None:
        self._together = together
        self._at_once = at_once
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, item: Item) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if len(self._tasks) < self._at_once:
            task = asyncio.create_task(self._work(), name="batches")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
            try:
                answers = await self._together([item for item, _ in batch])
            except Exception as error:
                answers = [error] * len(batch)
            for (_, future), answer in zip(batch, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)


@lru_cache(maxsize=1)
def lanes() -> Lanes:
    """For what belongs to one organization."""
    return Lanes("app", LANES)


@lru_cache(maxsize=1)
def system_lane() -> Lanes:
    """For what works across organizations."""
    return Lanes("system", 1)


async def close_lanes() -> None:
    for lent in (lanes, system_lane):
        if lent.cache_info().currsize:
            await lent().close()
            lent.cache_clear()
