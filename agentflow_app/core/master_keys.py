"""How master keys are written in the environment."""

import base64
import binascii
import re

KEY_BYTES = 32
_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def parse_master_keys(text: str) -> dict[str, bytes]:
    """`id:base64,id:base64`, in their order. Raises ValueError, which never repeats a key."""
    keys: dict[str, bytes] = {}
    for number, part in enumerate((part.strip() for part in text.split(",") if part.strip()), 1):
        key_id, _, encoded = part.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not _KEY_ID.fullmatch(key_id) or len(key) != KEY_BYTES or len(set(key)) < KEY_BYTES // 4:
            raise ValueError(
                f"AGENTFLOW_MASTER_KEYS, entry {number}: write id:key, the id of letters, digits, . _ - and"
                f" the key {KEY_BYTES} random bytes in base64 (openssl rand -base64 {KEY_BYTES})"
            )
        if key_id in keys:
            raise ValueError(f"AGENTFLOW_MASTER_KEYS: the id {key_id} is there twice")
        keys[key_id] = key
    return keys
