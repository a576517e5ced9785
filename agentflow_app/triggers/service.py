"""Starts executions for callers that have no account: webhooks."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from agentflow_app.accounts.tokens import digest
from agentflow_app.agents.definitions import parse
from agentflow_app.agents.models import Agent
from agentflow_app.agents.service import AgentService
from agentflow_app.core.database import database
from agentflow_app.core.errors import AppError, NotFound
from agentflow_app.core.idempotency import Call, call_of, first_answer, keep_answer
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.core.serialization import loads
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.inputs import NoSuchTrigger, trigger_node
from agentflow_app.executions.schemas import ExecuteRequest, ExecutionOut
from agentflow_app.executions.service import ExecutionService
from agentflow_app.executions.stream import wait_for_end
from agentflow_app.organizations.deletion import is_open

WAIT_SECONDS = 30
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,100}")
_PRIVATE_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})


class HookNotFound(NotFound):
    """The same for an unknown token as for an agent that is paused, archived or has no webhook."""

    code = "HOOK_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no active webhook here")


class RunFailed(AppError):  # noqa: N818
    code = "EXECUTION_FAILED"
    status = 502


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came in, as `trigger` shows it."""

    body: bytes
    content_type: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    query_string: str
    method: str

    def data(self) -> Any:
        """The JSON body; a form's fields; anything else as `{"text": …}`."""
        kind = self.content_type.partition(";")[0].strip().lower()
        text = self.body.decode("utf-8", "replace").replace("\x00", "\ufffd")
        if kind == "application/x-www-form-urlencoded":
            return dict(parse_qsl(text, keep_blank_values=True))
        if not text.strip():
            return {}
        try:
            return loads(self.body)
        except (ValueError, RecursionError):
            return {"text": text}


@dataclass(frozen=True, slots=True)
class Accepted:
    execution: ExecutionOut
    actor: Actor
    response: str


async def receive(token: str, delivery: Delivery) -> Accepted:
    """Starts the agent behind the token; committed when it returns. Raises HookNotFound."""
    found = await _agent_behind(token) if _TOKEN.fullmatch(token) else None
    if found is None:
        raise HookNotFound
    agent_id, org_id = found
    actor = Actor.trigger(org_id)
    await rate_limits().organization(org_id, None)
    async with database().transaction(actor) as tx:
        if not await is_open(tx, actor):
            raise HookNotFound
        _, version = await AgentService(tx, actor).live(agent_id)
        try:
            node = trigger_node(parse(version.definition), "webhook")
        except NoSuchTrigger as error:
            raise HookNotFound from error
        shown = {k.lower(): v for k, v in delivery.headers.items() if k.lower() not in _PRIVATE_HEADERS}
        beside = {"headers": shown, "query": dict(delivery.query), "method": delivery.method}
        executions, call = ExecutionService(tx, actor), _call(agent_id, org_id, delivery)
        first = await first_answer(tx, call) if call else None
        if first:
            execution = await executions.get(UUID(first.body.decode()))
        else:
            request = ExecuteRequest(trigger_data=delivery.data())
            execution = await executions.start(agent_id, request, "webhook", beside)
            if call:
                await keep_answer(tx, call, 202, {}, str(execution.id).encode())
    response = node.config.get("response") if node else None
    return Accepted(execution, actor, response if isinstance(response, str) else "immediate")


def _call(agent_id: UUID, org_id: UUID, delivery: Delivery) -> Call | None:
    """Which delivery this is, where the sender says so. The path is left out: it is a credential."""
    key = delivery.headers.get("idempotency-key")
    if key is None:
        return None
    return call_of(org_id, agent_id, delivery.method, "/hooks", delivery.query_string, key, delivery.body)


async def _agent_behind(token: str) -> tuple[UUID, UUID] | None:
    async with database().system() as tx:
        row = (
            await tx.execute(
                select(col(Agent.id), col(Agent.org_id)).where(
                    col(Agent.hook_hash) == digest(token), col(Agent.status) == "active"
                )
            )
        ).one_or_none()
    return (row[0], row[1]) if row else None


async def outcome(accepted: Accepted) -> ExecutionOut | None:
    """The ended execution; None if it takes longer than a caller should wait. Raises RunFailed."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            ended = await wait_for_end(accepted.actor, accepted.execution.id)
    except TimeoutError:
        return None
    if ended.status != "completed":
        error = ended.error or {}
        raise RunFailed(
            str(error.get("message") or f"The execution was {ended.status}"),
            details={"execution_id": str(ended.id), "code": error.get("code")},
        )
    return ended
