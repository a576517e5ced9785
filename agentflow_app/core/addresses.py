"""Addresses that are their own credential: made with the installation's secret, so that none is stored."""

import base64
import hashlib
import hmac
import re
from uuid import UUID

from agentflow_app.core.settings import settings

_TOKEN = re.compile(r"[A-Za-z0-9_-]{86}")
_ID_BYTES = 16


def token_of(purpose: str, thing_id: UUID, org_id: UUID) -> str:
    """What leads to the thing, for this purpose alone. 86 characters."""
    told = thing_id.bytes + org_id.bytes
    return base64.urlsafe_b64encode(told + _proof(purpose, told)).decode().rstrip("=")


def thing_behind(purpose: str, token: str) -> tuple[UUID, UUID] | None:
    """The thing and its organization; None for a token that nobody gave out for this purpose."""
    if not _TOKEN.fullmatch(token):
        return None
    given = base64.urlsafe_b64decode(token + "==")
    told, proof = given[: 2 * _ID_BYTES], given[2 * _ID_BYTES :]
    if not hmac.compare_digest(proof, _proof(purpose, told)):
        return None
    return UUID(bytes=told[:_ID_BYTES]), UUID(bytes=told[_ID_BYTES:])


def public_address(path: str, token: str) -> str:
    """Absolute where the public address is known, else relative to the app's."""
    return f"{(settings().public_url or '').rstrip('/')}/api/v1/public/{path}/{token}"


def _proof(purpose: str, told: bytes) -> bytes:
    key = settings().secret_key.get_secret_value().encode()
    own = hmac.new(key, purpose.encode(), hashlib.sha256).digest()
    return hmac.new(own, told, hashlib.sha256).digest()
