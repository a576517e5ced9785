"""What a new organization finds: the sample agent, published, and one real run of it."""

import json
import logging
from functools import lru_cache
from pathlib import Path
from typing import Any

from agentflow_app.agents.schemas import AgentCreate, PublishRequest
from agentflow_app.agents.service import AgentService
from agentflow_app.core.database import database
from agentflow_app.core.errors import AppError
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.schemas import ExecuteRequest
from agentflow_app.executions.service import ExecutionService

logger = logging.getLogger(__name__)
EXAMPLES = Path(__file__).parents[2] / "examples"
SAMPLE_NAME = "Lead router"
SAMPLE_LEAD = {"name": "Ada", "message": "Thanks, I am just looking around for now. Maybe later."}


@lru_cache(maxsize=1)
def sample_definition() -> dict[str, Any]:
    definition: dict[str, Any] = json.loads((EXAMPLES / "lead_router.json").read_text("utf-8"))
    return definition


async def welcome(actor: Actor) -> None:
    """An account without its sample is still an account, so a failure here is only logged."""
    try:
        async with database().transaction(actor) as tx:
            agents = AgentService(tx, actor)
            agent = await agents.create(
                AgentCreate(
                    name=SAMPLE_NAME,
                    description="Sorts incoming leads and asks sales before it answers a hot one.",
                    category="Sales",
                    definition=sample_definition(),
                )
            )
            await agents.publish(agent.id, PublishRequest(change_message="The sample"))
            await ExecutionService(tx, actor).start(
                agent.id, ExecuteRequest(trigger_data=SAMPLE_LEAD), "manual"
            )
    except AppError:
        logger.exception("The sample agent was not made", extra={"org_id": str(actor.org_id)})
