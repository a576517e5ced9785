"""Runs end to end through a real `agentflow up`: accepted over REST, claimed, run, journalled, answered.

The bound is what the same PostgreSQL commits in the same minute: one small transaction after another from as
many connections as there are clients.
"""

import asyncio
import itertools
import statistics
import tempfile
import time
from pathlib import Path

import httpx
import psycopg

from agentflow_app.core.embedded.secrets import local_secrets
from tests.support.processes import Installation, free_port

CLIENTS = (1, 10, 50)
SECONDS = 5.0
WARM_UP = 20


def _definition() -> dict[str, object]:
    nodes: list[dict[str, object]] = [{"id": "start", "type": "trigger", "subtype": "manual"}]
    nodes += [
        {
            "id": f"n{n}",
            "type": "action",
            "subtype": "set",
            "config": {"values": {"n": "{{ trigger.data.n }}"}},
        }
        for n in range(4)
    ]
    edges = [
        {"id": f"e{n}", "source": str(a["id"]), "target": str(b["id"])}
        for n, (a, b) in enumerate(itertools.pairwise(nodes))
    ]
    return {"nodes": nodes, "edges": edges}


async def _agent(client: httpx.AsyncClient) -> str:
    account = {
        "email": f"bench-{time.time_ns()}@example.com",
        "password": "correct horse battery",
        "name": "Bench",
        "org_name": "Bench",
    }
    token = (await client.post("/auth/signup", json=account)).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    agent = (await client.post("/agents", json={"name": "Five steps"})).json()
    published = await client.post(f"/agents/{agent['id']}/publish", json={"definition": _definition()})
    published.raise_for_status()
    return str(agent["id"])


async def _load(client: httpx.AsyncClient, url: str, clients: int) -> tuple[float, float, float]:
    """Runs a second, p50 and p95 in ms, of closed-loop clients that wait for the end of each run."""
    times: list[float] = []
    end = time.perf_counter() + SECONDS

    async def one() -> None:
        while (began := time.perf_counter()) < end:
            answer = await client.post(url, json={"trigger_data": {"n": 1}})
            assert answer.status_code == 200, answer.text
            assert answer.json()["status"] == "completed"
            times.append((time.perf_counter() - began) * 1000)

    await asyncio.gather(*(one() for _ in range(clients)))
    cuts = statistics.quantiles(times, n=20)
    return len(times) / SECONDS, statistics.median(times), cuts[18]


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


async def report() -> list[str]:
    lines = [
        f"## Runs end to end (5 steps, durable, closed loop of {SECONDS:.0f} s, load on the same machine)",
        "",
        "| clients | runs/s | p50 ms | p95 ms | commits/s of that PostgreSQL | its ratio to runs/s |",
        "|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(Path(folder) / "data", free_port())
        installation.share_builds()
        installation.start()
        try:
            password = local_secrets(installation.data_dir).postgres_password
            socket = installation.data_dir / "run" / "postgres"
            dsn = f"postgresql://agentflow:{password}@/agentflow?host={socket}"
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute("CREATE TABLE bench_bound (id bigserial PRIMARY KEY, data jsonb)")
            limits = httpx.Limits(max_connections=100)
            base = f"{installation.url}/api/v1"
            async with httpx.AsyncClient(base_url=base, timeout=60, limits=limits) as client:
                url = f"/agents/{await _agent(client)}/execute?wait=30"
                for _ in range(WARM_UP):
                    (await client.post(url, json={})).raise_for_status()
                for clients in CLIENTS:
                    rate, p50, p95 = await _load(client, url, clients)
                    bound = await _commits(dsn, clients)
                    lines.append(
                        f"| {clients} | {rate:.0f} | {p50:.0f} | {p95:.0f}"
                        f" | {bound:.0f} | {bound / rate:.1f} |"
                    )
        finally:
            installation.stop()
    return lines
