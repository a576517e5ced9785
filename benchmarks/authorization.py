"""What authentication, tenant scope and row-level security cost a read: a list of agents, in one process.

The bound is the same service reading the same rows behind the same edge with none of them: no token, no
tenant set, and as the tables' owner. Both are called in turns, without HTTP and without rate limits.
"""

import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from agentflow_app.accounts.routes import CurrentActor, CurrentTransaction, TenantRoute
from agentflow_app.agents.schemas import AgentCreate, AgentOut, AgentQuery
from agentflow_app.agents.service import AgentService
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.pagination import Page
from agentflow_app.core.settings import settings
from agentflow_app.core.tenancy import Actor
from tests.support.services import own_services, settings_over

AGENTS = 20
ROUNDS = 15
CALLS = 40
GOAL = 0.15


async def report() -> list[str]:
    """Lines of Markdown."""
    with (
        tempfile.TemporaryDirectory() as folder,
        own_services(Path(folder)) as services,
        settings_over(services),
    ):
        from agentflow_app.accounts.schemas import SignUp
        from agentflow_app.accounts.service import sign_up
        from agentflow_app.api import create_api

        login = await sign_up(
            SignUp(email="bench@example.com", password="correct horse battery", name="B", org_name="B")
        )
        async with database().transaction(login.actor) as tx:
            for number in range(AGENTS):
                await AgentService(tx, login.actor).create(AgentCreate(name=f"Agent {number}"))
        app = create_api()
        async with _routes(app, login.actor):
            headers = [(b"authorization", f"Bearer {login.body.access_token}".encode())]
            pairs = [
                (await _seconds(app, "/bare/agents", []), await _seconds(app, "/guarded/agents", headers))
                for _ in range(ROUNDS + 1)
            ][1:]
    without, with_all = (statistics.median(each) * 1000 for each in zip(*pairs, strict=True))
    lost = 1 - statistics.median(one / other for one, other in pairs)
    return [
        f"## Who may read (a list of {AGENTS} agents, median of {ROUNDS} rounds of {CALLS} calls in turns)",
        "",
        "| | ms a call |",
        "|---|---|",
        f"| bound: the service alone | {without:.2f} |",
        f"| authenticated, in its tenant, under row-level security | {with_all:.2f} |",
        "",
        f"Throughput lost: {lost:.0%} (goal: at most {GOAL:.0%}).",
    ]


@asynccontextmanager
async def _routes(app: FastAPI, actor: Actor) -> AsyncIterator[None]:
    """The same list twice, in the same place: for anybody as the tables' owner, and for who may read it."""
    engine = create_async_engine(make_url(settings().database_url).set(drivername="postgresql+psycopg"))
    sessions = async_sessionmaker(engine, class_=Transaction, expire_on_commit=False)
    guarded, bare = APIRouter(route_class=TenantRoute), APIRouter()

    @bare.get("/bare/agents")
    async def anybodys(query: Annotated[AgentQuery, Query()]) -> Page[AgentOut]:
        async with sessions() as tx:
            return await AgentService(tx, actor).list(query)

    @guarded.get("/guarded/agents")
    async def guarded_list(
        query: Annotated[AgentQuery, Query()], tx: CurrentTransaction, caller: CurrentActor
    ) -> Page[AgentOut]:
        return await AgentService(tx, caller).list(query)

    app.include_router(bare)
    app.include_router(guarded)
    yield
    await engine.dispose()


async def _seconds(
    app: Callable[..., Awaitable[None]], path: str, headers: list[tuple[bytes, bytes]]
) -> float:
    """A call's, on average."""
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"bench"), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("bench", 80),
    }
    status = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)

    began = time.perf_counter()
    for _ in range(CALLS):
        await app(dict(scope), receive, send)
        assert status == 200, status
    return (time.perf_counter() - began) / CALLS
