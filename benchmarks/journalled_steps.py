"""Steps of which each is on record in Postgres when its run has ended: one worker's event loop, no HTTP.

A run is claimed under a lease, its steps run, and it ends with all steps, events and usage in one commit:
steps that only compute are journalled together, which `design/engine.md` allows, because running them again
has no effect. The bound is one bare commit a run.
"""

import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from agentflow_app.accounts.schemas import SignUp
from agentflow_app.accounts.service import sign_up
from agentflow_app.agents.schemas import AgentCreate, PublishRequest
from agentflow_app.agents.service import AgentService
from agentflow_app.core.database import close_database, database
from agentflow_app.core.lanes import close_lanes, lanes
from agentflow_app.core.migrations import owner_connection
from agentflow_app.core.rls import grant
from agentflow_app.core.settings import settings
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.endings import ending_of, endings
from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.executions.schemas import ExecuteRequest
from agentflow_app.executions.service import ExecutionService
from tests.support.services import own_services, settings_over

STEPS = 10
ROUNDS = 5
ALONE = 40
AT_ONCE = 20
MANY = 400


def chain() -> dict[str, Any]:
    nodes = [
        {"id": f"n{n}", "type": "action", "subtype": "set", "config": {"values": {}}} for n in range(STEPS)
    ]
    edges = [{"id": f"e{n}", "source": f"n{n}", "target": f"n{n + 1}"} for n in range(STEPS - 1)]
    return {"nodes": nodes, "edges": edges}


def fan() -> dict[str, Any]:
    """One node, ten beside each other, and one that joins them."""
    names = ["first", *(f"n{n}" for n in range(STEPS)), "join"]
    kinds = {"join": ("logic", "merge")}
    nodes = [
        {
            "id": name,
            "type": kinds.get(name, ("action", "set"))[0],
            "subtype": kinds.get(name, ("action", "set"))[1],
            "config": {} if name == "join" else {"values": {}},
        }
        for name in names
    ]
    edges = [
        {"id": f"{source}-{target}", "source": source, "target": target}
        for n in range(STEPS)
        for source, target in (("first", f"n{n}"), (f"n{n}", "join"))
    ]
    return {"nodes": nodes, "edges": edges}


async def report() -> list[str]:
    """Lines of Markdown."""
    with (
        tempfile.TemporaryDirectory() as folder,
        own_services(Path(folder), durable=True) as services,
        settings_over(services),
    ):
        actor = await _actor()
        line, wide = await _published(actor, chain()), await _published(actor, fan())
        await _one_after_another(actor, line, STEPS)
        chained = [await _one_after_another(actor, line, STEPS) for _ in range(ROUNDS)]
        fanned = [await _one_after_another(actor, wide, STEPS + 2) for _ in range(ROUNDS)]
        rates = [await _together(actor, line) for _ in range(ROUNDS)]
        bound = await _bound(actor)
        await close_lanes()
        await close_database()
    return [
        f"## A journalled step (median of {ROUNDS} rounds)",
        "",
        "| | ms a step |",
        "|---|---|",
        f"| chain of {STEPS} `action.set`, one run after the other | {statistics.median(chained):.2f} |",
        f"| fan-out of {STEPS} and join | {statistics.median(fanned):.2f} |",
        f"| bound: one small commit for {STEPS} steps | {bound:.2f} |",
        "",
        f"Runs of {STEPS} steps, {AT_ONCE} at once, one worker: {statistics.median(rates):.0f} a second.",
    ]


async def _actor() -> Actor:
    account = SignUp(email="bench@example.com", password="correct horse battery", name="B", org_name="B")
    return (await sign_up(account)).actor


async def _published(actor: Actor, graph: dict[str, Any]) -> UUID:
    async with database().transaction(actor) as tx:
        agent = await AgentService(tx, actor).create(AgentCreate(name="Bench"))
        await AgentService(tx, actor).publish(agent.id, PublishRequest(definition=graph))
    return agent.id


async def _started(actor: Actor, agent_id: UUID) -> UUID:
    async with database().transaction(actor) as tx:
        return (await ExecutionService(tx, actor).start(agent_id, ExecuteRequest(), "api")).id


@asynccontextmanager
async def _worker() -> AsyncIterator[ExecutionRuntime]:
    runtime = ExecutionRuntime("bench", settings().model_copy(update={"worker_concurrency": AT_ONCE}))
    runtime.start()
    yield runtime
    await runtime.stop()


async def _one_after_another(actor: Actor, agent_id: UUID, steps: int) -> float:
    """Ms a step: from the moment that the worker is told until the end is known to who waits."""
    times = []
    async with _worker() as runtime:
        for _ in range(ALONE):
            run = await _started(actor, agent_id)
            with endings().expect(run) as expected:
                began = time.perf_counter()
                runtime.poke()
                await ending_of(actor, run, expected)
                times.append((time.perf_counter() - began) / steps * 1000)
    return statistics.median(times)


async def _together(actor: Actor, agent_id: UUID) -> float:
    """Runs a second."""
    runs = [await _started(actor, agent_id) for _ in range(MANY)]
    async with AsyncExitStack() as waiting:
        expected = [waiting.enter_context(endings().expect(run)) for run in runs]
        began = time.perf_counter()
        async with _worker():
            for run, end in zip(runs, expected, strict=True):
                await ending_of(actor, run, end)
            return MANY / (time.perf_counter() - began)


async def _bound(actor: Actor) -> float:
    """Ms a step if a run were nothing but one row."""
    with owner_connection(settings()) as owner, owner.begin():
        owner.exec_driver_sql("CREATE TABLE bench_bound (data text)")
        grant(owner, "app", "bench_bound", "INSERT")
    write = (b"INSERT INTO bench_bound VALUES ('')", dict[str, Any]())
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(ALONE):
            await lanes().transact(actor.org_id, [write])
        rounds.append((time.perf_counter() - began) / ALONE / STEPS * 1000)
    return statistics.median(rounds)
