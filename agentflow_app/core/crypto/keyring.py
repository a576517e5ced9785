"""Master keys: which one wraps new data keys, and which ones still open old ones."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agentflow_app.core.crypto.errors import CannotUnseal, UnknownMasterKey
from agentflow_app.core.embedded.secrets import kept_master_key, local_secrets
from agentflow_app.core.master_keys import KEY_BYTES, parse_master_keys
from agentflow_app.core.settings import Settings, settings

NONCE_BYTES = 12
KMS_PREFIX = "kms:"


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key, open and wrapped by the master key `key_id`."""

    key_id: str
    plain: bytes = field(repr=False)
    wrapped: bytes = field(repr=False)


class KeyService(Protocol):
    """Where a master key lives that never leaves it: `key_id` begins with `kms:`."""

    async def generate(self, context: str) -> DataKey: ...

    async def wrap(self, plain: bytes, context: str) -> DataKey: ...

    async def unwrap(self, key_id: str, wrapped: bytes, context: str) -> bytes: ...


class Keyring:
    """`active` names the key of `keys` that wraps; with a `service`, that wraps and the keys only open."""

    def __init__(
        self, keys: Mapping[str, bytes], active: str | None, service: KeyService | None = None
    ) -> None:
        self._keys = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._active = active
        self._service = service

    @property
    def key_ids(self) -> list[str]:
        """The keys that it holds itself."""
        return list(self._keys)

    async def active_id(self) -> str:
        return self._active or (await self.generate("agentflow status")).key_id

    async def generate(self, context: str) -> DataKey:
        if self._service is not None:
            return await self._service.generate(context)
        return await self.wrap(os.urandom(KEY_BYTES), context)

    async def wrap(self, plain: bytes, context: str) -> DataKey:
        if self._service is not None:
            return await self._service.wrap(plain, context)
        assert self._active is not None
        nonce = os.urandom(NONCE_BYTES)
        wrapped = self._keys[self._active].encrypt(nonce, plain, _bound(self._active, context))
        return DataKey(self._active, plain, nonce + wrapped)

    async def unwrap(self, key_id: str, wrapped: bytes, context: str) -> bytes:
        """Raises UnknownMasterKey or CannotUnseal."""
        if key_id.startswith(KMS_PREFIX):
            if self._service is None:
                raise UnknownMasterKey
            return await self._service.unwrap(key_id, wrapped, context)
        key = self._keys.get(key_id)
        if key is None:
            raise UnknownMasterKey
        try:
            return key.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _bound(key_id, context))
        except (InvalidTag, ValueError):
            raise CannotUnseal from None


def _bound(key_id: str, context: str) -> bytes:
    return f"agentflow key {key_id}\0{context}".encode()


def make_keyring(config: Settings) -> Keyring:
    """As the settings say: AWS KMS, keys from the environment, or the installation's own file.

    What is not active still opens what it once sealed.
    """
    keys = parse_master_keys(config.master_keys.get_secret_value())
    active = next(iter(keys), None)
    kept = kept_master_key(config.data_dir)
    if active is None and not config.kms_key_id:
        kept = local_secrets(config.data_dir).master_key
        active = _local_id(kept)
    if kept is not None:
        keys[_local_id(kept)] = bytes.fromhex(kept)
    if not config.kms_key_id:
        return Keyring(keys, active)
    from agentflow_app.core.crypto.kms import AwsKms

    return Keyring(keys, None, AwsKms(config.kms_key_id))


def _local_id(key: str) -> str:
    """Names the key itself, so that a server with another file says that it lacks this key."""
    return f"local-{sha256(bytes.fromhex(key)).hexdigest()[:8]}"


@lru_cache(maxsize=1)
def keyring() -> Keyring:
    """This process's master keys."""
    return make_keyring(settings())
