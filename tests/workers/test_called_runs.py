"""A worker that dies when the run that a step called exists already, but the step does not wait yet."""

from uuid import UUID

import psycopg
from fastapi import FastAPI

from agentflow_app.core.settings import Settings
from agentflow_app.executions.stream import follow
from tests.actors import GREETING, Person, definition, ended, node, published
from tests.executions.test_calling import runs_of
from tests.executions.test_resuming import start
from tests.workers.test_processes import process


async def test_it_costs_no_second_run(api: FastAPI, settings: Settings, alice: Person) -> None:
    inner = await published(alice, GREETING)
    graph = definition(node("start", "trigger.manual"), node("call", "action.run_agent", agent_id=inner))
    run_id = await start(alice, await published(alice, graph))
    url = settings.database_url
    async with (
        await psycopg.AsyncConnection.connect(url) as keeps_from_starting,
        await psycopg.AsyncConnection.connect(url) as keeps_from_waiting,
    ):
        # A new run locks the row of its agent a little.
        await keeps_from_starting.execute("SELECT 1 FROM agents WHERE id = %s FOR UPDATE", [inner])
        with process(settings, "worker") as first:
            async for event in follow(alice.actor, UUID(run_id)):
                if event["type"] == "step.started" and event["node_id"] == "call":
                    break
            step = "SELECT 1 FROM execution_steps WHERE id = %s FOR UPDATE"
            await keeps_from_waiting.execute(step, [event["step_id"]])
            await keeps_from_starting.commit()
            while not await runs_of(alice, inner):
                pass
            first.kill()
            first.wait()
    assert (await alice.client.get(f"/executions/{run_id}")).json()["status"] == "running"
    with process(settings, "worker"):
        run = await ended(alice, run_id)
    assert run["status"] == "completed", run["error"]
    (child,) = await runs_of(alice, inner)
    assert run["output"]["execution_id"] == child["id"]
    assert child["output"] == {"text": "Hello you"}
