"""The same call with the same key gets the first answer, for a day.

The answer is stored in the transaction of the work it reports, so neither exists without the other. What
failed was rolled back and left no answer: repeating it tries again.

An answer may hold what nothing else keeps in the open, a webhook's address say, so it is encrypted: for a day
at most and on many paths, so under a key made of SECRET_KEY instead of one of the vault's.
"""

import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import delete, select, text
from sqlmodel import col

from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction
from agentflow_app.core.errors import Conflict, ValidationFailed
from agentflow_app.core.ids import new_id
from agentflow_app.core.models import IdempotencyKey
from agentflow_app.core.settings import settings

MAX_KEY_LENGTH = 255
_KEPT_HEADERS = ("content-type", "location")
_CLOSED = b"\x01"
"""The first byte of a closed answer, which no JSON begins with."""
_NONCE_BYTES = 12


class KeyReused(Conflict):
    code = "IDEMPOTENCY_KEY_REUSED"


class StillRunning(Conflict):
    code = "IDEMPOTENCY_KEY_IN_USE"


@dataclass(frozen=True, slots=True)
class Call:
    """What makes two calls the same one."""

    org_id: UUID
    caller_id: UUID
    method: str
    path: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def call_of(org_id: UUID, caller_id: UUID, method: str, path: str, query: str, key: str, body: bytes) -> Call:
    if not 0 < len(key) <= MAX_KEY_LENGTH or not key.isprintable():
        raise ValidationFailed(fields={"Idempotency-Key": f"is 1 to {MAX_KEY_LENGTH} printable characters"})
    # Keyed: a body may hold a short secret, which a plain hash would let a thief of the table try out.
    secret = settings().secret_key.get_secret_value().encode()
    fingerprint = hmac.new(secret, query.encode() + b"\n" + body, hashlib.sha256).hexdigest()
    return Call(org_id, caller_id, method, path[:500], key, fingerprint)


async def first_answer(tx: Transaction, call: Call) -> Answer | None:
    """The stored answer; None if this is the first call. Raises KeyReused or StillRunning."""
    lock = f"{call.org_id}:{call.caller_id}:{call.method}:{call.path}:{call.key}"
    free = await tx.execute(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended(:lock, 0))"), {"lock": lock}
    )
    if not free.scalar_one():
        raise StillRunning("The first call with this Idempotency-Key is still running", retry_after=1)
    row = (
        await tx.execute(
            select(IdempotencyKey).where(
                col(IdempotencyKey.org_id) == call.org_id,
                col(IdempotencyKey.caller_id) == call.caller_id,
                col(IdempotencyKey.method) == call.method,
                col(IdempotencyKey.path) == call.path,
                col(IdempotencyKey.key) == call.key,
            )
        )
    ).scalar_one_or_none()
    if row is None:
        return None
    if row.expires_at <= utcnow():
        await tx.execute(delete(IdempotencyKey).where(col(IdempotencyKey.id) == row.id))
        return None
    if row.fingerprint != call.fingerprint:
        raise KeyReused("This Idempotency-Key came with another body before; use a new key")
    return Answer(row.status, row.headers, _opened(row.body, row.id))


async def keep_answer(
    tx: Transaction, call: Call, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    row_id = new_id()
    tx.add(
        IdempotencyKey(
            id=row_id,
            org_id=call.org_id,
            caller_id=call.caller_id,
            method=call.method,
            path=call.path,
            key=call.key,
            fingerprint=call.fingerprint,
            status=status,
            headers={name: headers[name] for name in _KEPT_HEADERS if name in headers},
            body=_closed(body, row_id),
            expires_at=utcnow() + timedelta(hours=settings().idempotency_hours),
        )
    )
    await tx.flush()


async def rewrite_answers(
    tx: Transaction, org_id: UUID, location: str, change: Callable[[bytes], bytes]
) -> None:
    """Changes the kept answers that told of what is at `location`."""
    query = select(IdempotencyKey).where(
        col(IdempotencyKey.org_id) == org_id, col(IdempotencyKey.headers)["location"].astext == location
    )
    for kept in (await tx.execute(query)).scalars():
        try:
            kept.body = _closed(change(_opened(kept.body, kept.id)), kept.id)
        except InvalidTag:  # of another SECRET_KEY: nobody reads it any more
            continue
    await tx.flush()


def _cipher() -> AESGCM:
    secret = settings().secret_key.get_secret_value().encode()
    return AESGCM(hmac.new(secret, b"kept-answers", hashlib.sha256).digest())


def _closed(body: bytes, row_id: UUID) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return _CLOSED + nonce + _cipher().encrypt(nonce, body, row_id.bytes)


def _opened(kept: bytes, row_id: UUID) -> bytes:
    """Raises InvalidTag. What was kept by a version before this one stands in the open."""
    if not kept.startswith(_CLOSED):
        return kept
    nonce, body = kept[1 : 1 + _NONCE_BYTES], kept[1 + _NONCE_BYTES :]
    return _cipher().decrypt(nonce, body, row_id.bytes)
