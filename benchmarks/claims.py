"""What a worker's claim of twenty runs takes before ten thousand that wait, and before a hundred.

They are of fifty organizations. The bound is the short queue: a long one must not slow everybody down.
"""

import statistics
import tempfile
import time
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from agentflow_app.agents.models import Agent
from agentflow_app.core.ids import new_id
from agentflow_app.core.lanes import close_lanes
from agentflow_app.core.settings import settings
from agentflow_app.executions import claims
from agentflow_app.executions.models import Execution
from agentflow_app.organizations.models import Organization
from tests.support.services import own_services, settings_over

ORGANIZATIONS = 50
AT_ONCE = 20
SHORT, LONG = 100, 10_000
ROUNDS = 40


def _fill(waiting: int) -> None:
    """So many runs wait, and nothing else is there."""
    url = settings().database_url.replace("postgresql://", "postgresql+psycopg://")
    with Session(create_engine(url)) as session:
        session.query(Organization).delete()
        pairs = [(new_id(), new_id()) for _ in range(ORGANIZATIONS)]
        session.add_all(Organization(id=org, name="O", slug=org.hex) for org, _ in pairs)
        session.flush()
        session.add_all(
            Agent(id=agent, org_id=org, name="A", slug="a", hook_hash=agent.hex, hook_sealed=b"x")
            for org, agent in pairs
        )
        session.flush()
        for place in range(waiting):
            org, agent = pairs[place % ORGANIZATIONS]
            session.add(
                Execution(id=new_id(), org_id=org, agent_id=agent, triggered_by="api", trigger={}, options={})
            )
        session.commit()


async def _claim(waiting: int, rounds: int) -> float:
    """Milliseconds of a claim, the median."""
    _fill(waiting)
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        claimed = await claims.claim("bench", AT_ONCE, 60)
        times.append((time.perf_counter() - began) * 1000)
        assert len(claimed) == AT_ONCE
    return statistics.median(times)


async def report() -> list[str]:
    with (
        tempfile.TemporaryDirectory(prefix="agentflow-bench-") as folder,
        own_services(Path(folder)) as own,
        settings_over(own),
    ):
        short = statistics.median([await _claim(SHORT, SHORT // AT_ONCE) for _ in range(ROUNDS // 5)])
        long = await _claim(LONG, ROUNDS)
        await close_lanes()
    return [
        "## Claiming",
        "",
        f"A claim of {AT_ONCE} runs, of {ORGANIZATIONS} organizations, median.",
        "",
        "| waiting | ms a claim | of the short queue's |",
        "|---|---|---|",
        f"| {SHORT} | {short:.2f} | 1 |",
        f"| {LONG} | {long:.2f} | {long / short:.1f} |",
    ]
