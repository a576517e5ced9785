"""AWS KMS as the keeper of the master key. Region, credentials and endpoint come as AWS SDKs take them."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from typing import Any

from agentflow_app.core.crypto.errors import CannotUnseal, KeyServiceUnavailable, UnknownMasterKey
from agentflow_app.core.crypto.keyring import KMS_PREFIX, DataKey

CACHED_KEYS = 512
CACHED_SECONDS = 60.0
CONNECT_SECONDS = 3.0
READ_SECONDS = 5.0
_LIMITS = {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS}
_NOT_OURS = {"NotFoundException", "AccessDeniedException", "DisabledException", "KMSInvalidStateException"}
_CHANGED = {"InvalidCiphertextException", "IncorrectKeyException"}

log = logging.getLogger(__name__)


class AwsKms:
    """Data keys by GenerateDataKey, bound to their place by the encryption context.

    Calls block, so they run in threads. What was unwrapped is kept for a minute, so that a busy worker does
    not ask for the same key at every step.
    """

    def __init__(
        self, key_id: str, *, seconds: float = CACHED_SECONDS, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._key_id = key_id
        self._seconds = seconds
        self._now = now
        self._kept: OrderedDict[tuple[str, bytes, str], tuple[float, bytes]] = OrderedDict()

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.client("kms", config=Config(retries={"max_attempts": 3, "mode": "standard"}, **_LIMITS))

    async def generate(self, context: str) -> DataKey:
        answer = await self._call("generate_data_key", context, KeyId=self._key_id, KeySpec="AES_256")
        return DataKey(KMS_PREFIX + answer["KeyId"], answer["Plaintext"], answer["CiphertextBlob"])

    async def wrap(self, plain: bytes, context: str) -> DataKey:
        answer = await self._call("encrypt", context, KeyId=self._key_id, Plaintext=plain)
        return DataKey(KMS_PREFIX + answer["KeyId"], plain, answer["CiphertextBlob"])

    async def unwrap(self, key_id: str, wrapped: bytes, context: str) -> bytes:
        """Raises CannotUnseal, UnknownMasterKey or KeyServiceUnavailable."""
        place = (key_id, wrapped, context)
        found = self._kept.get(place)
        if found is not None and found[0] > self._now():
            self._kept.move_to_end(place)
            return found[1]
        answer = await self._call(
            "decrypt", context, KeyId=key_id.removeprefix(KMS_PREFIX), CiphertextBlob=wrapped
        )
        plain: bytes = answer["Plaintext"]
        self._kept[place] = (self._now() + self._seconds, plain)
        self._kept.move_to_end(place)
        while len(self._kept) > CACHED_KEYS:
            self._kept.popitem(last=False)
        return plain

    async def _call(self, operation: str, context: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        def call() -> Any:
            return getattr(self._client, operation)(EncryptionContext={"agentflow": context}, **arguments)

        try:
            return await asyncio.to_thread(call)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            log.warning("KMS refused %s: %s", operation, code)
            if code in _CHANGED:
                raise CannotUnseal from None
            if code in _NOT_OURS:
                raise UnknownMasterKey from None
            raise KeyServiceUnavailable from None
        except BotoCoreError as error:
            log.warning("KMS does not answer %s: %s", operation, type(error).__name__)
            raise KeyServiceUnavailable from None
