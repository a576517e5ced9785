"""Jobs about organizations."""

from uuid import UUID

import dramatiq

from agentflow_app.core.jobs import QUEUE, broker
from agentflow_app.organizations.exports import EXPORT_JOB, write_export
from workers.main import worker


@dramatiq.actor(actor_name=EXPORT_JOB, queue_name=QUEUE, broker=broker())
def export_organization(export_id: str) -> None:
    """The id is a hint: it is written only if nobody has."""
    worker().spawn(write_export(UUID(export_id)))
