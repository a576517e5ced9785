"""The world around a run: its effects' other side, and whoever answers what it waits for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg

from tests.actors import Person
from tests.engine.http_server import Answer, Request, serving
from tests.support.counting import KEY, Sink

ENDED = frozenset({"completed", "failed", "cancelled"})


@dataclass
class Outside:
    """`owner_url` is how it lets time pass: by the database's owner, who moves what is waited for to now.

    `real_time`: it waits for the timers instead.
    """

    person: Person
    url: str
    owner_url: str
    sink: Sink = field(default_factory=Sink)
    real_time: bool = False

    async def start(self, agent_id: str) -> str:
        answer = await self.person.client.post(f"/agents/{agent_id}/execute", json={"trigger_data": {"n": 1}})
        assert answer.status_code == 202, answer.text
        run_id: str = answer.json()["id"]
        return run_id

    async def look(self, run_id: str) -> dict[str, Any]:
        """The run; what it waits for is answered at the same time."""
        run: dict[str, Any] = (await self.person.client.get(f"/executions/{run_id}")).json()
        if run["status"] == "waiting":
            await self.answer(run_id)
        return run

    async def steps(self, run_id: str) -> list[dict[str, Any]]:
        found = await self.person.client.get(f"/executions/{run_id}/steps?limit=100")
        steps: list[dict[str, Any]] = found.json()["data"]
        return steps

    def let_time_pass(self, run_id: str) -> None:
        """Every timer of the run has come."""
        with psycopg.connect(self.owner_url, autocommit=True) as connection:
            connection.execute(
                "UPDATE execution_steps SET wait_until = now() WHERE execution_id = %s"
                " AND wait_until > now()",
                (run_id,),
            )
            connection.execute(
                "UPDATE executions SET wake_at = now() WHERE id = %s AND wake_at > now()", (run_id,)
            )

    def end_lease(self, run_id: str) -> None:
        """Of a worker that is dead: one that lives would lose what it is doing."""
        with psycopg.connect(self.owner_url, autocommit=True) as connection:
            connection.execute(
                "UPDATE executions SET lease_until = now() WHERE id = %s AND lease_until > now()", (run_id,)
            )

    async def answer(self, run_id: str) -> None:
        """Whatever its steps wait for."""
        client = self.person.client
        for step in await self.steps(run_id):
            if step["status"] == "waiting_approval":
                await client.post(f"/executions/{run_id}/approve", json={"decision": "approved"})
            elif step["status"] == "uncertain":
                path = f"/executions/{run_id}/steps/{step['id']}/resolve"
                await client.post(path, json=self._found_out(run_id, step["node_id"]))
            elif step["status"] == "waiting" and step["waiting_for"]["kind"] == "webhook":
                path = httpx.URL(step["waiting_for"]["resume_url"]).path.removeprefix("/api/v1")
                await client.post(path, json={"n": 7})
            elif step["status"] in ("waiting", "retrying") and not self.real_time:
                self.let_time_pass(run_id)

    def _found_out(self, run_id: str, node_id: str) -> dict[str, Any]:
        if self.sink.done[f"{run_id}:{node_id}:-"]:
            return {"outcome": "done", "output": {"status": 200}}
        return {"outcome": "retry"}


@asynccontextmanager
async def outside(person: Person, owner_url: str, *, real_time: bool = False) -> AsyncIterator[Outside]:
    """With a server on this machine."""
    world = Outside(person, "", owner_url, real_time=real_time)

    def answer(request: Request) -> Answer:
        return Answer(*world.sink.answer(request.path, request.headers[KEY]))

    async with serving(answer) as server:
        world.url = f"http://127.0.0.1:{server.port}"
        yield world
