"""Jobs about executions."""

import dramatiq

from agentflow_app.core.jobs import QUEUE, broker
from agentflow_app.executions.base import RUN_JOB
from workers.main import worker


@dramatiq.actor(actor_name=RUN_JOB, queue_name=QUEUE, broker=broker())
def run(execution_id: str) -> None:
    """The id is a hint: the runtime claims the fairest execution that is due."""
    worker().poke()
