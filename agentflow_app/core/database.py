"""The door to Postgres: three roles, one transaction per edge, and the tenant set for row-level security.

The owner (DATABASE_URL) migrates. The app role sees only the organization set in its transaction. The system
role is for what comes before or across tenants (login, key and hook lookup, claiming, sweeping); its grants
are few and listed in the migrations. Both logins are derived from the owner's URL and the secret key.
"""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import URL, Select, make_url
from sqlalchemy.dialects.postgresql.psycopg import PGDialectAsync_psycopg
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from agentflow_app.core.errors import Unavailable
from agentflow_app.core.serialization import dumps, loads
from agentflow_app.core.settings import Settings, settings
from agentflow_app.core.tenancy import Actor

logger = logging.getLogger(__name__)
HOOK_SECONDS = 0.5
SET_TENANT = "SELECT set_config('app.org_id', %(org)s, true), set_config('app.user_id', %(user)s, true)"
DatabaseRole = Literal["app", "system"]
_TOO_MUCH = ("54000", "54001")
"""A value that PostgreSQL cannot hold; trying again is no use."""
_NOT_NOW = ("25006", "25P03")
"""A standby that has not taken over yet, a session that was ended: nothing is wrong with what was asked."""


def role_name(owner_url: str, role: DatabaseRole) -> str:
    """Roles belong to a whole cluster, so their names carry the database's."""
    return f"{make_url(owner_url).database}_{role}"


def role_password(secret_key: str, owner_url: str, role: DatabaseRole) -> str:
    message = f"database-role:{role_name(owner_url, role)}".encode()
    return hmac.new(secret_key.encode(), message, hashlib.sha256).hexdigest()


def role_url(config: Settings, role: DatabaseRole) -> URL:
    url = make_url(config.database_url).set(drivername="postgresql+psycopg")
    secret = config.secret_key.get_secret_value()
    return url.set(
        username=role_name(config.database_url, role),
        password=role_password(secret, config.database_url, role),
    )


def connection_options(name: str) -> dict[str, Any]:
    """Of every connection; `name` is how Postgres shows it."""
    return {
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
        "application_name": f"agentflow-{name}",
        # A process that was stopped in the middle of a transaction must not hold its rows for good.
        "options": "-c timezone=UTC -c idle_in_transaction_session_timeout=10000",
    }


_background: set[asyncio.Task[None]] = set()


def _begin(hooks: list[Callable[[], object]]) -> Awaitable[None] | None:
    """Runs them up to the first that is to be awaited; that and the rest are what is given back."""
    for place, hook in enumerate(hooks):
        try:
            outcome = hook()
        except Exception:  # what is committed has happened, whatever becomes of its notice
            logger.exception("A notice was not sent")
            continue
        if isinstance(outcome, Awaitable):
            return _finish(outcome, hooks[place + 1 :])
    return None


async def _finish(first: Awaitable[object], rest: list[Callable[[], object]]) -> None:
    try:
        await first
    except Exception:
        logger.exception("A notice was not sent")
    later = _begin(rest)
    if later is not None:
        await later


class Transaction(AsyncSession):
    """A unit of work. Services read and write through it and never commit; the edge that opened it does."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._hooks: list[Callable[[], object]] = []
        self._last_writes: list[Callable[[], Awaitable[None]]] = []

    def before_commit(self, write: Callable[[], Awaitable[None]]) -> None:
        """Has `write` done as the last thing of this transaction; if it fails, nothing of it happens."""
        self._last_writes.append(write)

    async def finish(self) -> None:
        """Commits, and then runs what was to come after it."""
        while self._last_writes:
            await self._last_writes.pop(0)()
        await self.commit()
        await self.run_hooks()

    def after_commit(self, hook: Callable[[], object]) -> None:
        """Runs `hook` (awaited if it returns an awaitable) once the commit is durable; never on rollback."""
        self._hooks.append(hook)

    async def run_hooks(self) -> None:
        """In their order. One that hangs keeps nobody waiting: after a moment they go on alone."""
        hooks, self._hooks = self._hooks, []
        later = _begin(hooks)
        if later is not None:
            work = asyncio.ensure_future(later)
            _background.add(work)
            work.add_done_callback(_background.discard)
            await asyncio.wait({work}, timeout=HOOK_SECONDS)


class Prepared:
    """A query that is asked so often that it is compiled once, and sent past the ORM."""

    def __init__(self, statement: Select[Any]) -> None:
        dialect = PGDialectAsync_psycopg()  # type: ignore[no-untyped-call]
        compiled = statement.compile(dialect=dialect)
        self.sql = str(compiled).encode()
        self.constants = {name: value for name, value in compiled.params.items() if value is not None}


async def _enter(
    tx: Transaction, scope: dict[str, str], first: Prepared | None = None, parameters: Any = None
) -> dict[str, Any] | None:
    """Sets the tenant as the transaction's first statement, by the driver: this happens at every call."""
    try:
        return await _entered(tx, scope, first, parameters)
    except psycopg.OperationalError:
        # The pool held a connection that is gone. Nothing was done on it, so a new one may try.
        await (await tx.connection()).invalidate()
        await tx.rollback()
        return await _entered(tx, scope, first, parameters)


async def _entered(
    tx: Transaction, scope: dict[str, str], first: Prepared | None, parameters: Any
) -> dict[str, Any] | None:
    raw = (await (await tx.connection()).get_raw_connection()).driver_connection
    assert isinstance(raw, psycopg.AsyncConnection)
    if first is None:
        await raw.execute(SET_TENANT, scope)
        return None
    async with raw.pipeline(), raw.cursor(row_factory=dict_row) as cursor:
        await raw.execute(SET_TENANT, scope)
        await cursor.execute(first.sql, parameters)
        return await cursor.fetchone()


class Database:
    """The pools of one process. Made at first use, never at import: servers fork after it."""

    def __init__(self, config: Settings) -> None:
        self._app = self._engine(config, "app", config.database_pool_size)
        self._system = self._engine(config, "system", max(2, config.database_pool_size // 2))
        self._app_sessions = async_sessionmaker(self._app, class_=Transaction, expire_on_commit=False)
        self._system_sessions = async_sessionmaker(self._system, class_=Transaction, expire_on_commit=False)

    @staticmethod
    def _engine(config: Settings, role: DatabaseRole, size: int) -> AsyncEngine:
        return create_async_engine(
            role_url(config, role),
            pool_size=size,
            max_overflow=size,
            pool_timeout=10,
            pool_pre_ping=role == "system",
            pool_recycle=1800,
            hide_parameters=True,
            json_serializer=dumps,
            json_deserializer=loads,
            connect_args=connection_options(role),
        )

    @asynccontextmanager
    async def transaction(
        self, actor: Actor | None = None, *, org_id: UUID | None = None
    ) -> AsyncIterator[Transaction]:
        """Commits at the end, then runs the hooks; rolls back on any error. No tenant sees nothing."""
        tenant, person = (actor.org_id, actor.user_id) if actor else (org_id, None)
        async with unavailable_when_down(), self._app_sessions() as tx:
            await _enter(tx, {"org": str(tenant or ""), "user": str(person or "")})
            yield tx
            await tx.finish()

    @asynccontextmanager
    async def entered(
        self, org_id: UUID, user_id: UUID, first: "Prepared", **parameters: Any
    ) -> AsyncIterator[tuple[Transaction, dict[str, Any] | None]]:
        """A transaction, and the row of a first query that goes to the database together with the tenant."""
        async with unavailable_when_down(), self._app_sessions() as tx:
            scope = {"org": str(org_id), "user": str(user_id)}
            yield tx, await _enter(tx, scope, first, first.constants | parameters)
            await tx.finish()

    @asynccontextmanager
    async def system(self) -> AsyncIterator[Transaction]:
        """A transaction of the system role, for the few functions that work before or across tenants."""
        async with unavailable_when_down(), self._system_sessions() as tx:
            yield tx
            await tx.finish()

    async def close(self) -> None:
        await self._app.dispose()
        await self._system.dispose()


@asynccontextmanager
async def unavailable_when_down() -> AsyncIterator[None]:
    """What failed because the database is away or busy is raised as Unavailable."""
    try:
        yield
    except NoConnectionFree as error:
        raise Unavailable("The database is busy; try again in a moment", retry_after=2) from error
    except (OperationalError, psycopg.OperationalError) as error:
        if _sqlstate(error) in _TOO_MUCH:
            raise
        raise Unavailable("The database does not answer; try again in a moment", retry_after=2) from error
    except (DBAPIError, psycopg.Error) as error:
        if getattr(error, "connection_invalidated", False) or _sqlstate(error) in _NOT_NOW:
            raise Unavailable(
                "The connection to the database was cut; try again in a moment", retry_after=2
            ) from error
        raise


def _sqlstate(error: Exception) -> str | None:
    return getattr(getattr(error, "orig", error), "sqlstate", None)


@lru_cache(maxsize=1)
def database() -> Database:
    return Database(settings())


async def close_database() -> None:
    if database.cache_info().currsize:
        await database().close()
        database.cache_clear()
