"""Jobs about executions."""

import dramatiq

from agentflow_app.core.jobs import HINTS, broker
from agentflow_app.executions.base import RUN_JOB
from workers.main import worker


@dramatiq.actor(actor_name=RUN_JOB, queue_name=HINTS, broker=broker())
def run() -> None:
    """The runtime claims the fairest executions that are due."""
    worker().poke()
