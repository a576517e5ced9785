"""Webhook, five light nodes, answered when finished: through a real `agentflow up`, every step saved.

The bound is what the same PostgreSQL commits in the same minute: one small transaction after another from as
many connections as there are clients. Load, web, worker, PostgreSQL and Redis share the machine.
"""

import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import psycopg

from agentflow_app.core.embedded.secrets import local_secrets
from benchmarks.load import closed_loop
from tests.support.processes import Installation, free_port

CLIENTS = (1, 10, 50)
SECONDS = 5.0
ROUNDS = 5
BODY = b'{"n": 5, "text": "hello"}'
IDLE_RUNS = 20
STEADY_RUNS = 300
STEADY_PER_SECOND = 100

GRAPH: dict[str, object] = {
    "nodes": [
        {"id": "start", "type": "trigger", "subtype": "webhook", "config": {"response": "when_finished"}},
        {
            "id": "one",
            "type": "action",
            "subtype": "set",
            "config": {"values": {"a": "{{ trigger.data.text }}-1", "n": "{{ trigger.data.n }}"}},
        },
        {
            "id": "check",
            "type": "logic",
            "subtype": "if_else",
            "config": {"condition": "{{ node_one.output.a }}"},
        },
        {
            "id": "two",
            "type": "action",
            "subtype": "set",
            "config": {"values": {"b": "{{ node_one.output.a }}-2"}},
        },
        {"id": "join", "type": "logic", "subtype": "merge"},
        {
            "id": "three",
            "type": "action",
            "subtype": "set",
            "config": {"values": {"c": "{{ node_two.output.b }}-3", "done": "yes"}},
        },
    ],
    "edges": [
        {"id": "e1", "source": "start", "target": "one"},
        {"id": "e2", "source": "one", "target": "check"},
        {"id": "e3", "source": "check", "source_handle": "true", "target": "two"},
        {"id": "e4", "source": "two", "target": "join"},
        {"id": "e5", "source": "join", "target": "three"},
    ],
}


@dataclass(frozen=True, slots=True)
class Installed:
    """A running installation with one agent behind a hook."""

    installation: Installation
    hook: str
    database: str

    def memory(self) -> float:
        """Of all its processes, in MB; what they share is counted once."""
        assert self.installation.process is not None
        root = psutil.Process(self.installation.process.pid)
        every = [root, *root.children(recursive=True)]
        return sum(each.memory_full_info().pss for each in every) / 1e6

    def busy(self) -> float:
        """Seconds of CPU that its processes have used."""
        assert self.installation.process is not None
        root = psutil.Process(self.installation.process.pid)
        return sum(sum(each.cpu_times()[:2]) for each in [root, *root.children(recursive=True)])


def _installed(folder: Path) -> Installed:
    installation = Installation(folder / "data", free_port())
    installation.share_builds()
    installation.start()
    with httpx.Client(base_url=f"{installation.url}/api/v1", timeout=60) as client:
        account = {"email": "bench@example.com", "password": "correct horse battery", "name": "Bench"}
        token = client.post("/auth/signup", json={**account, "org_name": "Bench"}).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        agent = client.post("/agents", json={"name": "Five steps", "trigger_type": "webhook"}).json()
        client.post(f"/agents/{agent['id']}/publish", json={"definition": GRAPH}).raise_for_status()
        shown = client.get(f"/agents/{agent['id']}").json()["trigger_config"]["webhook_url"]
    hook = f"{installation.url}{shown[shown.index('/api/') :]}"
    password = local_secrets(installation.data_dir).postgres_password
    socket = installation.data_dir / "run" / "postgres"
    return Installed(installation, hook, f"postgresql://agentflow:{password}@/agentflow?host={socket}")


async def _commits(dsn: str, clients: int) -> float:
    """Small synchronous commits a second."""
    count = 0
    end = time.perf_counter() + SECONDS

    async def one() -> None:
        nonlocal count
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            while time.perf_counter() < end:
                await connection.execute("INSERT INTO bench_bound (data) VALUES ('{}')")
                await connection.commit()
                count += 1

    await asyncio.gather(*(one() for _ in range(clients)))
    return count / SECONDS


async def _until_first_step(installed: Installed, runs: int, pause: float) -> tuple[float, float]:
    """From the transaction that started a run to its first step, in ms: p50 and p99."""
    async with httpx.AsyncClient(timeout=30) as client:
        posts = []
        for _ in range(runs):
            posts.append(asyncio.create_task(client.post(installed.hook, content=BODY)))
            await asyncio.sleep(pause)
        await asyncio.gather(*posts)
    with psycopg.connect(installed.database) as connection:
        connection.execute("SET row_security = off")
        rows = connection.execute(
            "SELECT extract(epoch FROM min(s.started_at) - e.created_at) * 1000 FROM executions e"
            " JOIN execution_steps s ON s.execution_id = e.id GROUP BY e.id"
            " ORDER BY e.created_at DESC LIMIT %s",
            (runs,),
        ).fetchall()
    cuts = statistics.quantiles((float(row[0]) for row in rows), n=100, method="inclusive")
    return cuts[49], cuts[98]


async def report() -> list[str]:
    """Lines of Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        installed = _installed(Path(folder))
        try:
            return await _measured(installed)
        finally:
            installed.installation.stop()


async def _measured(installed: Installed) -> list[str]:
    with psycopg.connect(installed.database, autocommit=True) as connection:
        connection.execute("CREATE TABLE bench_bound (id bigserial PRIMARY KEY, data jsonb)")
    await closed_loop(installed.hook, BODY, 4, 3.0)
    idle = installed.memory()
    await asyncio.sleep(SECONDS)
    before, began = installed.busy(), time.perf_counter()
    await asyncio.sleep(SECONDS)
    resting = (installed.busy() - before) / (time.perf_counter() - began)
    lines = [
        f"## Webhook, five light nodes, answered at the end (median of {ROUNDS} rounds of {SECONDS:.0f} s)",
        "",
        "| clients | runs/s | p50 ms | p95 ms | p99 ms | commits/s of PostgreSQL | its ratio to runs/s |",
        "|---|---|---|---|---|---|---|",
    ]
    for clients in CLIENTS:
        rounds = [await closed_loop(installed.hook, BODY, clients, SECONDS) for _ in range(ROUNDS)]
        rate, p50, p95, p99 = (
            statistics.median(getattr(each, name) for each in rounds)
            for name in ("per_second", "p50", "p95", "p99")
        )
        bound = await _commits(installed.database, clients)
        lines.append(
            f"| {clients} | {rate:.0f} | {p50:.1f} | {p95:.1f} | {p99:.1f} | {bound:.0f}"
            f" | {bound / rate:.1f} |"
        )
    loaded = installed.memory()
    alone = await _until_first_step(installed, IDLE_RUNS, 1.0)
    steady = await _until_first_step(installed, STEADY_RUNS, 1 / STEADY_PER_SECOND)
    return [
        *lines,
        "",
        f"Memory of all processes: {idle:.0f} MB idle, {loaded:.0f} MB after the load."
        f" CPU of all processes when idle: {resting:.1%} of one core.",
        "",
        "| run committed → its first step runs | p50 ms | p99 ms |",
        "|---|---|---|",
        f"| after a second of idleness ({IDLE_RUNS} runs) | {alone[0]:.1f} | {alone[1]:.1f} |",
        f"| at {STEADY_PER_SECOND} a second ({STEADY_RUNS} runs) | {steady[0]:.1f} | {steady[1]:.1f} |",
    ]
