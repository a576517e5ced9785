"""Who did it and from where, readable for as long as the person's key is kept."""

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from agentflow_app.audit.models import PersonKey
from agentflow_app.core.crypto import cell, seal, unseal
from agentflow_app.core.database import Transaction
from agentflow_app.core.serialization import dumps, loads

_KEY_BYTES, _NONCE_BYTES = 32, 12


@dataclass(frozen=True, slots=True)
class Trace:
    """What an entry says of a person."""

    email: str
    name: str
    address: str | None
    user_agent: str | None


async def own_key(tx: Transaction, user_id: UUID) -> bytes:
    """The person's key, made at the first act."""
    found = await keys_of(tx, [user_id])
    if user_id not in found:
        fresh = await seal(os.urandom(_KEY_BYTES), _place(user_id))
        await tx.execute(insert(PersonKey).values(id=user_id, key=fresh).on_conflict_do_nothing())
        found = await keys_of(tx, [user_id])
    return found[user_id]


async def keys_of(tx: Transaction, user_ids: Iterable[UUID]) -> dict[UUID, bytes]:
    """The keys that there are; an erased person has none."""
    query = select(col(PersonKey.id), col(PersonKey.key)).where(col(PersonKey.id).in_(set(user_ids)))
    return {row.id: await unseal(row.key, _place(row.id)) for row in await tx.execute(query)}


async def erase(tx: Transaction, *user_ids: UUID) -> None:
    """Makes every trace of these persons unreadable for good. On the system role."""
    await tx.execute(delete(PersonKey).where(col(PersonKey.id).in_(user_ids)))


def _place(user_id: UUID) -> str:
    return cell("person_keys", "key", user_id)


def hide(trace: Trace, key: bytes, entry_id: UUID) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, dumps(asdict(trace)).encode(), entry_id.bytes)


def read(personal: bytes | None, key: bytes | None, entry_id: UUID) -> Trace | None:
    """None where nothing was noted, or the person was erased."""
    if personal is None or key is None:
        return None
    try:
        plain = AESGCM(key).decrypt(personal[:_NONCE_BYTES], personal[_NONCE_BYTES:], entry_id.bytes)
    except InvalidTag:  # of a key that was erased, by a person who came back
        return None
    return Trace(**loads(plain))
