"""Starts executions for callers that have no account: webhooks."""

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from agentflow_app.accounts.tokens import digest
from agentflow_app.agents.definitions import parse
from agentflow_app.agents.models import Agent
from agentflow_app.agents.service import AgentService
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import AppError, NotFound
from agentflow_app.core.idempotency import first_answer, keep_answer
from agentflow_app.core.ids import new_id
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.core.settings import settings
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.endings import Ending, Expected, ending_of, endings
from agentflow_app.executions.entering import Entry, entrance
from agentflow_app.executions.inputs import NoSuchTrigger, check_input, trigger_node
from agentflow_app.executions.schemas import PRIORITIES, ExecuteRequest
from agentflow_app.executions.service import ExecutionService
from agentflow_app.organizations.deletion import is_open
from agentflow_app.triggers.deliveries import Delivery
from agentflow_app.triggers.signatures import InvalidSignature, check_signature
from agentflow_app.vault.signing import SigningSecret, signing_secret
from engine.definition import Node
from engine.names import variable_names
from engine.nodes.trigger.webhook import WebhookConfig

logger = logging.getLogger(__name__)
WAIT_SECONDS = 30
MOST_KNOWN = 1000
RESPOND = "action.respond"
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
class Hook:
    """What is behind a token, as it was when it was last looked up."""

    org_id: UUID
    agent_id: UUID
    version_id: UUID
    version: int
    node: Node | None
    responders: tuple[str, ...]
    """The nodes that may say what the caller is answered."""

    @property
    def response(self) -> str:
        chosen = self.node.config.get("response") if self.node else None
        return chosen if isinstance(chosen, str) else "immediate"

    @property
    def signature(self) -> str:
        chosen = self.node.config.get("signature") if self.node else None
        return chosen if isinstance(chosen, str) else "none"

    def trigger(self, delivery: Delivery) -> dict[str, Any]:
        """As the execution keeps it. Raises ValidationFailed for data that do not fit."""
        data = delivery.data()
        check_input(self.node, data)
        shown = {k.lower(): v for k, v in delivery.headers.items() if k.lower() not in _PRIVATE_HEADERS}
        beside = {"headers": shown, "query": dict(delivery.query), "method": delivery.method}
        return {**beside, "data": data, "node_id": self.node.id if self.node else None}


class KnownHooks:
    """Those whose runs need nothing else. What is known is checked again as each run is entered."""

    def __init__(self) -> None:
        self._hooks: OrderedDict[str, Hook] = OrderedDict()

    def get(self, hook_hash: str) -> Hook | None:
        return self._hooks.get(hook_hash)

    def keep(self, hook_hash: str, hook: Hook) -> None:
        self._hooks[hook_hash] = hook
        if len(self._hooks) > MOST_KNOWN:
            self._hooks.popitem(last=False)

    def forget(self, hook_hash: str) -> None:
        self._hooks.pop(hook_hash, None)


_known = KnownHooks()


@dataclass(frozen=True, slots=True)
class Accepted:
    """A started run. The caller leaves the context of `expected` when it waits no more."""

    execution_id: UUID
    actor: Actor
    hook: Hook
    expected: Expected

    @property
    def response(self) -> str:
        return self.hook.response


@dataclass(frozen=True, slots=True)
class Challenge:
    """A call that starts nothing: the sender wants to see that somebody is here who knows the secret."""

    text: str


@asynccontextmanager
async def received(token: str, delivery: Delivery) -> AsyncIterator[Accepted | Challenge]:
    """Starts the agent behind the token; committed when it yields. Raises HookNotFound, InvalidSignature."""
    if not _TOKEN.fullmatch(token):
        raise HookNotFound
    hook_hash, execution_id = digest(token), new_id()
    hook = _known.get(hook_hash)
    with endings().expect(execution_id) as expected:
        light = len(delivery.body) <= settings().payload_bytes
        if hook is not None and light and not delivery.names_itself:
            await rate_limits().organization(hook.org_id, None)
            if await entrance().enter(_entry(hook, hook_hash, execution_id, delivery)):
                actor = Actor.trigger(hook.org_id)
                yield Accepted(execution_id, actor, hook, expected)
                return
            _known.forget(hook_hash)
    found = await _start(hook_hash, delivery)
    if isinstance(found, Challenge):
        yield found
        return
    started, hook = found
    with endings().expect(started) as expected:
        yield Accepted(started, Actor.trigger(hook.org_id), hook, expected)


def _entry(hook: Hook, hook_hash: str, execution_id: UUID, delivery: Delivery) -> Entry:
    return Entry(
        org_id=hook.org_id,
        id=execution_id,
        agent_id=hook.agent_id,
        version_id=hook.version_id,
        version=hook.version,
        hook_hash=hook_hash,
        triggered_by="webhook",
        trigger=hook.trigger(delivery),
        priority=PRIORITIES["normal"],
    )


async def _start(hook_hash: str, delivery: Delivery) -> tuple[UUID, Hook] | Challenge:
    """Looks everything up anew."""
    found = await _agent_behind(hook_hash)
    if found is None:
        raise HookNotFound
    agent_id, org_id = found
    actor = Actor.trigger(org_id)
    async with database().transaction(actor) as tx:
        if not await is_open(tx, actor):
            raise HookNotFound
        _, version = await AgentService(tx, actor).live(agent_id)
        definition = parse(version.definition)
        try:
            node = trigger_node(definition, "webhook")
        except NoSuchTrigger as error:
            raise HookNotFound from error
        responders = tuple(each.id for each in definition.nodes if each.kind == RESPOND)
        hook = Hook(org_id, agent_id, version.id, version.version, node, responders)
        secret = await _proved(tx, hook, delivery)
        # Counted only now: a stranger's calls must not use up what the organization may do.
        await rate_limits().organization(org_id, None)
        if hook.signature == "slack" and (challenge := _slack_challenge(delivery)):
            return challenge
        executions, call = ExecutionService(tx, actor), delivery.call(org_id, agent_id, hook.signature)
        first = await first_answer(tx, call) if call else None
        if first:
            return UUID(first.body.decode()), hook
        trigger = hook.trigger(delivery)
        request = ExecuteRequest(trigger_data=trigger["data"])
        execution = await executions.start(agent_id, request, "webhook", trigger)
        if secret:
            await secret.note(tx, execution.id)
        if call:
            await keep_answer(tx, call, 202, {}, str(execution.id).encode())
    simple = hook.signature == "none" and variable_names(definition) == frozenset()
    if simple and not settings().rate_limit_plans:
        _known.keep(hook_hash, hook)
    return execution.id, hook


async def _proved(tx: Transaction, hook: Hook, delivery: Delivery) -> SigningSecret | None:
    """The secret that the delivery is signed with; None where none is asked for. Raises InvalidSignature.

    It is read anew each time, so that one that was changed or deleted is worth nothing at once.
    """
    if hook.node is None or hook.signature == "none":
        return None
    name = WebhookConfig.model_validate(hook.node.config).secret_name
    secret = await signing_secret(tx, hook.org_id, name or "")
    if secret is None:
        logger.warning("A webhook's signing secret is gone", extra={"agent_id": str(hook.agent_id)})
        raise InvalidSignature
    check_signature(hook.signature, secret.value, delivery.headers, delivery.body, utcnow().timestamp())
    return secret


def _slack_challenge(delivery: Delivery) -> Challenge | None:
    data = delivery.data()
    if not isinstance(data, dict) or data.get("type") != "url_verification":
        return None
    return Challenge(str(data.get("challenge")))


async def _agent_behind(hook_hash: str) -> tuple[UUID, UUID] | None:
    async with database().system() as tx:
        row = (
            await tx.execute(
                select(col(Agent.id), col(Agent.org_id)).where(
                    col(Agent.hook_hash) == hook_hash, col(Agent.status) == "active"
                )
            )
        ).one_or_none()
    return (row[0], row[1]) if row else None


async def outcome(accepted: Accepted) -> Ending | None:
    """The end; None if it takes longer than a caller should wait. Raises RunFailed."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            ended = await ending_of(accepted.actor, accepted.execution_id, accepted.expected)
    except TimeoutError:
        return None
    if ended.status != "completed":
        error = ended.error or {}
        raise RunFailed(
            str(error.get("message") or f"The execution was {ended.status}"),
            details={"execution_id": str(accepted.execution_id), "code": error.get("code")},
        )
    return ended


async def said(accepted: Accepted) -> dict[str, Any] | None:
    """What the first respond node that the ended run reached says; None where it reached none."""
    if not accepted.hook.responders:
        return None
    async with database().transaction(accepted.actor) as tx:
        executions = ExecutionService(tx, accepted.actor)
        found = await executions.first_output(accepted.execution_id, accepted.hook.responders)
    return found if isinstance(found, dict) else None
