"""The envelope: AES-256-GCM under a data key of its own, the data key wrapped by a master key.

Layout of version 1, lengths in bytes: version 1, length of the key id 1, key id, length of the wrapped
key 2 (big endian), wrapped key, nonce 12, ciphertext with its tag 16. The context is associated data of both
encryptions and is not stored.
"""

import logging
import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agentflow_app.core.crypto.errors import CannotUnseal
from agentflow_app.core.crypto.keyring import DataKey, keyring

VERSION = 1
NONCE_BYTES = 12
TAG_BYTES = 16

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Envelope:
    key_id: str
    wrapped: bytes
    body: bytes
    """Nonce and ciphertext."""

    def packed(self) -> bytes:
        name = self.key_id.encode()
        head = bytes([VERSION, len(name)]) + name
        return head + len(self.wrapped).to_bytes(2, "big") + self.wrapped + self.body

    @classmethod
    def unpacked(cls, blob: bytes) -> "_Envelope":
        try:
            version, size = blob[0], blob[1]
            key_id = blob[2 : 2 + size].decode()
            at = 2 + size
            length = int.from_bytes(blob[at : at + 2], "big")
            wrapped, body = blob[at + 2 : at + 2 + length], blob[at + 2 + length :]
        except (IndexError, UnicodeDecodeError):
            raise CannotUnseal from None
        if version != VERSION or len(wrapped) != length or len(body) < NONCE_BYTES + TAG_BYTES:
            raise CannotUnseal
        return cls(key_id, wrapped, body)


def cell(table: str, column: str, row_id: object) -> str:
    """The context of a sealed column's value; rotation relies on it."""
    return f"{table}.{column}:{row_id}"


async def seal(data: bytes, context: str) -> bytes:
    """Encrypts for one place, named by `context`. Raises KeyServiceUnavailable."""
    key = await keyring().generate(context)
    nonce = os.urandom(NONCE_BYTES)
    body = nonce + AESGCM(key.plain).encrypt(nonce, data, _bound(context))
    return _enveloped(key, body).packed()


async def unseal(sealed: bytes, context: str) -> bytes:
    """Raises CannotUnseal, UnknownMasterKey or KeyServiceUnavailable."""
    envelope = _Envelope.unpacked(bytes(sealed))
    plain = await keyring().unwrap(envelope.key_id, envelope.wrapped, context)
    nonce, ciphertext = envelope.body[:NONCE_BYTES], envelope.body[NONCE_BYTES:]
    try:
        return AESGCM(plain).decrypt(nonce, ciphertext, _bound(context))
    except (InvalidTag, ValueError):
        log.warning("sealed data cannot be opened as %s", context)
        raise CannotUnseal from None


async def rewrap(sealed: bytes, context: str) -> bytes:
    """The same data and data key, wrapped by the active master key. The data itself is not opened."""
    envelope = _Envelope.unpacked(bytes(sealed))
    plain = await keyring().unwrap(envelope.key_id, envelope.wrapped, context)
    return _enveloped(await keyring().wrap(plain, context), envelope.body).packed()


def key_id_of(sealed: bytes) -> str:
    """Which master key it needs."""
    return _Envelope.unpacked(bytes(sealed)).key_id


def _enveloped(key: DataKey, body: bytes) -> _Envelope:
    return _Envelope(key.key_id, key.wrapped, body)


def _bound(context: str) -> bytes:
    return b"agentflow data %d\0" % VERSION + context.encode()
