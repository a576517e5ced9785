"""Jobs about letters."""

from uuid import UUID

import dramatiq

from agentflow_app.core.jobs import QUEUE, broker
from agentflow_app.mail.service import DELIVER_JOB, deliver
from workers.main import worker


@dramatiq.actor(actor_name=DELIVER_JOB, queue_name=QUEUE, broker=broker())
def deliver_mail(mail_id: str) -> None:
    """The id is a hint: an attempt is made only if one is due."""
    worker().spawn(deliver(UUID(mail_id)))
