"""The addresses at which steps that wait for a call can be called."""

import base64
import hashlib
import hmac
import re
from typing import Any
from uuid import UUID

from agentflow_app.core.settings import settings
from agentflow_app.core.tenancy import Actor

_TOKEN = re.compile(r"[A-Za-z0-9_-]{86}")
_ID_BYTES = 16


def resume_url(step_id: UUID, org_id: UUID) -> str:
    """Whoever has it may call the step, once. Absolute where the public address is known."""
    told = step_id.bytes + org_id.bytes
    token = base64.urlsafe_b64encode(told + _proof(told)).decode().rstrip("=")
    return f"{(settings().public_url or '').rstrip('/')}/api/v1/public/resume/{token}"


def step_behind(token: str) -> tuple[UUID, UUID] | None:
    """The step and its organization; None for a token that nobody gave out."""
    if not _TOKEN.fullmatch(token):
        return None
    given = base64.urlsafe_b64decode(token + "==")
    told, proof = given[: 2 * _ID_BYTES], given[2 * _ID_BYTES :]
    if not hmac.compare_digest(proof, _proof(told)):
        return None
    return UUID(bytes=told[:_ID_BYTES]), UUID(bytes=told[_ID_BYTES:])


def with_resume_url(
    waiting: dict[str, Any] | None, step_id: UUID | None, actor: Actor
) -> dict[str, Any] | None:
    """What is waited for, with the address for who may go on with runs."""
    if waiting is None or waiting.get("kind") != "webhook" or not actor.can("executions:write"):
        return waiting
    return waiting if step_id is None else {**waiting, "resume_url": resume_url(step_id, actor.org_id)}


def _proof(told: bytes) -> bytes:
    """Made with the installation's secret, so that no token is stored anywhere."""
    key = settings().secret_key.get_secret_value().encode()
    purpose = hmac.new(key, b"resume-step", hashlib.sha256).digest()
    return hmac.new(purpose, told, hashlib.sha256).digest()
