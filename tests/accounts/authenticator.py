"""An authenticator in software: makes passkeys and signs with them as a browser and its device do."""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from agentflow_app.core.ids import new_id


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _data(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authenticator:
    """One passkey. `verified`: whether it asked for a PIN or finger."""

    def __init__(self, origin: str, site: str = "localhost") -> None:
        self.origin = origin
        self.site = site
        self.verified = True
        self.count = 0
        self._id = new_id().bytes
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.user = b""

    def _state(self, attested: bytes = b"") -> bytes:
        flags = 0x01 | (0x04 if self.verified else 0) | (0x40 if attested else 0)
        self.count += 1
        return (
            hashlib.sha256(self.site.encode()).digest()
            + bytes([flags])
            + self.count.to_bytes(4, "big")
            + attested
        )

    def _said(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        self.user = _data(options["user"]["id"])
        numbers = self._key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = bytes(16) + len(self._id).to_bytes(2, "big") + self._id + cbor2.dumps(cose)
        made = {"fmt": "none", "attStmt": {}, "authData": self._state(attested)}
        return self._credential(
            {
                "clientDataJSON": _text(self._said("webauthn.create", options["challenge"])),
                "attestationObject": _text(cbor2.dumps(made)),
            }
        )

    def get(self, options: dict[str, Any]) -> dict[str, Any]:
        state, said = self._state(), self._said("webauthn.get", options["challenge"])
        signature = self._key.sign(state + hashlib.sha256(said).digest(), ec.ECDSA(hashes.SHA256()))
        return self._credential(
            {
                "clientDataJSON": _text(said),
                "authenticatorData": _text(state),
                "signature": _text(signature),
                "userHandle": _text(self.user),
            }
        )

    def _credential(self, response: dict[str, str]) -> dict[str, Any]:
        return {"id": _text(self._id), "rawId": _text(self._id), "type": "public-key", "response": response}
