"""The public form of an agent: what it asks for, and the run that it starts when somebody sends it."""

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agentflow_app.agents.base import FORM, AgentNotActive, AgentNotFound
from agentflow_app.agents.definitions import parse
from agentflow_app.agents.service import AgentService
from agentflow_app.core.addresses import thing_behind
from agentflow_app.core.database import database
from agentflow_app.core.errors import NotFound
from agentflow_app.core.idempotency import call_of, first_answer, keep_answer
from agentflow_app.core.origin import origin
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.core.serialization import dumps
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.inputs import NoSuchTrigger, trigger_node
from agentflow_app.executions.schemas import ExecuteRequest
from agentflow_app.executions.service import ExecutionService
from agentflow_app.organizations.deletion import is_open

_PLAIN: dict[str, Any] = {
    "type": "object",
    "properties": {"message": {"type": "string", "title": "Message", "maxLength": 10_000}},
    "required": ["message"],
}
"""What a form asks for whose trigger says nothing about it."""


class FormNotFound(NotFound):
    """The same for an unknown token as for an agent that is paused, archived or has no form."""

    code = "FORM_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no form here")


@dataclass(frozen=True, slots=True)
class Form:
    agent_id: UUID
    org_id: UUID
    name: str
    description: str
    schema: dict[str, Any]


async def find(token: str) -> Form:
    """The live form behind the token. Raises FormNotFound."""
    found = thing_behind(FORM, token)
    if found is None:
        raise FormNotFound
    agent_id, org_id = found
    actor = Actor.trigger(org_id)
    async with database().transaction(actor) as tx:
        if not await is_open(tx, actor):
            raise FormNotFound
        try:
            agent, version = await AgentService(tx, actor).live(agent_id)
            node = trigger_node(parse(version.definition), "form")
        except (AgentNotFound, AgentNotActive, NoSuchTrigger) as error:
            raise FormNotFound from error
    schema = node.config.get("input_schema") if node else None
    asked = schema if isinstance(schema, dict) else _PLAIN
    return Form(agent_id, org_id, agent.name, agent.description or "", asked)


async def submit(form: Form, data: Any, key: str | None) -> UUID:
    """Starts a run with what was filled in. The same data under the same `key` start one run.

    Raises ValidationFailed, naming the fields that do not fit, and TooManyRequests.
    """
    address = origin.get().address or ""
    await rate_limits().stranger(address)
    rate_limits().ensure_not_blocked(address)
    await rate_limits().organization(form.org_id, None)
    actor = Actor.trigger(form.org_id)
    request = ExecuteRequest(trigger_data=data)
    call = None
    if key:
        body = dumps(data).encode()
        named = f"{key}:{hashlib.sha256(body).hexdigest()}"
        call = call_of(form.org_id, form.agent_id, "POST", "/public/forms", "", named, body)
    async with database().transaction(actor) as tx:
        first = await first_answer(tx, call) if call else None
        if first:
            return UUID(first.body.decode())
        execution = await ExecutionService(tx, actor).start(form.agent_id, request, "form")
        if call:
            await keep_answer(tx, call, 202, {}, str(execution.id).encode())
    return execution.id
