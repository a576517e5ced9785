"""The addresses at which steps that wait for a call can be called."""

from typing import Any
from uuid import UUID

from agentflow_app.core.addresses import public_address, token_of
from agentflow_app.core.tenancy import Actor

RESUME = "resume-step"


def resume_url(step_id: UUID, org_id: UUID) -> str:
    """Whoever has it may call the step, once."""
    return public_address("resume", token_of(RESUME, step_id, org_id))


def with_resume_url(
    waiting: dict[str, Any] | None, step_id: UUID | None, actor: Actor
) -> dict[str, Any] | None:
    """What is waited for, with the address for who may go on with runs."""
    if waiting is None or waiting.get("kind") != "webhook" or not actor.can("executions:write"):
        return waiting
    return waiting if step_id is None else {**waiting, "resume_url": resume_url(step_id, actor.org_id)}
