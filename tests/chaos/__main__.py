"""`make chaos`: mixed runs under load while workers are killed and the stores crash; then each is counted.

RUNS, KILLS, REDIS, POSTGRES, WORKERS, AT_ONCE and SEED say how much of everything; KEEP: a folder for logs.
"""

import asyncio
import logging
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx

from agentflow_app.api import create_api
from agentflow_app.core.database import close_database
from agentflow_app.core.events import close_event_hub
from agentflow_app.core.lanes import close_lanes
from agentflow_app.core.redis import close_redis
from agentflow_app.core.settings import Settings
from tests.actors import sign_up
from tests.chaos.load import LastingLogin, Load
from tests.chaos.processes import Processes
from tests.chaos.size import Size, size
from tests.chaos.verdict import faults, undisturbed
from tests.support.outside import outside
from tests.support.services import Services, own_services, settings_over

LONGEST_END = 300.0
"""Seconds after the last fault in which everything must come to its end."""


def main() -> None:
    chosen = size()
    print(f"SEED={chosen.seed} {chosen}", flush=True)
    logs = Path(os.environ.get("KEEP") or tempfile.mkdtemp(prefix="agentflow-chaos-logs-"))
    logs.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=logs / "driver.log", level=logging.WARNING)
    folder = tempfile.TemporaryDirectory(prefix="agentflow-chaos-", ignore_cleanup_errors=True)
    with (
        folder as name,
        own_services(Path(name), durable=True) as services,
        settings_over(services) as settings,
    ):
        wrong = asyncio.run(_chaos(chosen, services, settings, logs))
    sys.exit(1 if wrong else 0)


async def _chaos(chosen: Size, services: Services, settings: Settings, logs: Path) -> list[str]:
    chance = random.Random(chosen.seed)
    expected = await undisturbed()
    api = create_api(settings)
    alice = await sign_up(api, "alice")
    alice.client.auth = LastingLogin(alice)
    processes = Processes(services, settings, logs)
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://agentflow.test/api/v1") as anonymous,
        outside(alice, settings.database_url, real_time=True) as world,
    ):
        load = Load(alice, anonymous, world, chance)
        await load.prepare()
        began = time.monotonic()
        helpers: list[asyncio.Task[None]] = []
        try:
            processes.start(chosen.workers)
            helpers = [asyncio.create_task(load.answer_forever()), asyncio.create_task(processes.watch())]
            await _drive(chosen, load, processes, chance, helpers)
            left = await _until_all_ended(processes, helpers)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            processes.close()
        wrong = faults(settings.database_url, load.accepted, world.sink, expected)
        wrong += [f"{count} are still {status}" for status, count in left.items()]
        _print(chosen, load, processes, time.monotonic() - began, wrong, logs)
    await alice.client.aclose()
    for close in (close_event_hub, close_redis, close_lanes, close_database):
        await close()
    return wrong


async def _drive(
    chosen: Size,
    load: Load,
    processes: Processes,
    chance: random.Random,
    helpers: list["asyncio.Task[None]"],
) -> None:
    """Starts the runs, with the faults spread among them."""
    planned = sorted(
        (chance.uniform(0.02, 0.98) * chosen.runs, kind, place)
        for kind, count in (("kill", chosen.kills), ("redis", chosen.redis), ("postgres", chosen.postgres))
        for place in range(count)
    )
    number = 0
    while number < chosen.runs or planned:
        for helper in helpers:
            if helper.done():
                helper.result()
        if planned and planned[0][0] <= number:
            _, kind, place = planned.pop(0)
            await _fault(kind, place, processes)
            continue
        free = chosen.at_once - await _under_way(processes)
        some = range(number, min(number + max(free, 0), number + 10, chosen.runs))
        await asyncio.gather(*(load.start(each) for each in some))
        number += len(some)
        if number // 100 > (number - len(some)) // 100:
            print(f"{number} started", flush=True)
        if not some:
            await asyncio.sleep(0.1)


async def _fault(kind: str, place: int, processes: Processes) -> None:
    if kind == "kill":
        await processes.kill_worker(place)
    elif kind == "postgres":
        await processes.crash_postgres()
    elif place % 2:
        await processes.crash_redis()
    else:
        await processes.flush_redis()


async def _under_way(processes: Processes) -> int:
    statement = "SELECT count(*) FROM executions WHERE status IN ('pending', 'running', 'waiting')"
    rows = await processes.blocking(processes.query, statement)
    return int(rows[0][0])


async def _until_all_ended(processes: Processes, helpers: list["asyncio.Task[None]"]) -> Counter[str]:
    """What has not ended in time, by status."""
    deadline = time.monotonic() + LONGEST_END
    while time.monotonic() < deadline:
        for helper in helpers:
            if helper.done():
                helper.result()
        if not await _under_way(processes):
            return Counter()
        await asyncio.sleep(0.5)
    statement = "SELECT status, count(*) FROM executions WHERE completed_at IS NULL GROUP BY 1"
    return Counter(dict(await processes.blocking(processes.query, statement)))


def _print(
    chosen: Size, load: Load, processes: Processes, seconds: float, wrong: list[str], logs: Path
) -> None:
    done = load.world.sink.done
    times = sorted(processes.recovered)
    cuts = statistics.quantiles(times, n=100) if len(times) > 1 else [0.0] * 99
    print(f"runs accepted               {len(load.accepted)}")
    print(f"answers that were no 2xx    {sum(load.refusals.values())} {dict(load.refusals)}")
    print(f"workers killed              {chosen.kills}")
    print(f"Redis flushed, crashed      {(chosen.redis + 1) // 2}, {chosen.redis // 2}")
    print(f"PostgreSQL crashed          {chosen.postgres}")
    print(f"effects                     {len(done)}")
    print(f"  sent again, the same key  {sum(done.values()) - len(done)}")
    print(f"runs taken over             {len(times)}")
    print(f"  recovery p50, p99, max    {cuts[49]:.1f}, {cuts[98]:.1f}, {max(times, default=0):.1f} s")
    print(f"took                        {seconds:.0f} s")
    for line, count in _complaints(logs).most_common(10):
        print(f"  logged {count} times: {line}")
    print(f"wrong                       {len(wrong)}")
    for line in wrong[:30]:
        print(f"  {line}")
    print(f"SEED={chosen.seed}", flush=True)


def _complaints(logs: Path) -> Counter[str]:
    """Errors that the processes logged, by what they say."""
    found: Counter[str] = Counter()
    for log in logs.glob("*.log"):
        for line in log.read_text(errors="replace").splitlines():
            if '"level": "error"' in line or '"level":"error"' in line or line.startswith("Traceback"):
                found[line[:200]] += 1
    return found


if __name__ == "__main__":
    main()
