"""Whether a delivery was signed with the secret that its trigger names: by scheme, over the raw body."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from agentflow_app.core.errors import AppError

TOLERANCE_SECONDS = 300
MOST_SIGNATURES = 20
"""Senders that change their secret sign with both; more than a few is somebody trying."""
PLAIN_HEADERS = ("x-signature-256", "x-signature", "x-hub-signature-256", "x-webhook-signature")


class InvalidSignature(AppError):  # noqa: N818
    """The same whether the signature is wrong, missing, or of another time."""

    code = "INVALID_SIGNATURE"
    status = 401

    def __init__(self) -> None:
        super().__init__("This webhook takes signed calls only: sign the body with its secret")


@dataclass(frozen=True, slots=True)
class _Claim:
    """What is said to be signed, with which digests, and when where the scheme tells."""

    message: bytes
    digests: Iterable[bytes]
    key: bytes
    sent_at: str | None = None


def check_signature(scheme: str, secret: str, headers: Mapping[str, str], body: bytes, now: float) -> None:
    """`now` is in seconds since 1970. Raises InvalidSignature."""
    claim = _SCHEMES[scheme](secret, headers, body)
    timely = claim.sent_at is None or (
        claim.sent_at.isdecimal()
        and len(claim.sent_at) <= 12
        and abs(now - int(claim.sent_at)) <= TOLERANCE_SECONDS
    )
    right = hmac.new(claim.key, claim.message, hashlib.sha256).digest()
    found = [hmac.compare_digest(right, digest) for digest in claim.digests]
    if not (claim.key and timely and any(found)):
        raise InvalidSignature


def _plain(secret: str, headers: Mapping[str, str], body: bytes) -> _Claim:
    given = [headers.get(name, "") for name in PLAIN_HEADERS]
    digests = [digest for value in given for digest in _either(value.removeprefix("sha256="))]
    return _Claim(body, digests, secret.encode())


def _github(secret: str, headers: Mapping[str, str], body: bytes) -> _Claim:
    given = headers.get("x-hub-signature-256", "")
    return _Claim(body, _hex(_versions([given], "sha256", "=")), secret.encode())


def _standard(secret: str, headers: Mapping[str, str], body: bytes) -> _Claim:
    sent_at = headers.get("webhook-timestamp", "")
    message = b".".join([headers.get("webhook-id", "").encode(), sent_at.encode(), body])
    given = _versions(headers.get("webhook-signature", "").split(" "), "v1", ",")
    return _Claim(message, _base64(given), _standard_key(secret), sent_at)


def _stripe(secret: str, headers: Mapping[str, str], body: bytes) -> _Claim:
    parts = [part.strip() for part in headers.get("stripe-signature", "").split(",")]
    sent_at = next(iter(_versions(parts, "t", "=")), "")
    return _Claim(sent_at.encode() + b"." + body, _hex(_versions(parts, "v1", "=")), secret.encode(), sent_at)


def _slack(secret: str, headers: Mapping[str, str], body: bytes) -> _Claim:
    sent_at = headers.get("x-slack-request-timestamp", "")
    given = _versions([headers.get("x-slack-signature", "")], "v0", "=")
    return _Claim(b"v0:" + sent_at.encode() + b":" + body, _hex(given), secret.encode(), sent_at)


_SCHEMES: dict[str, Callable[[str, Mapping[str, str], bytes], _Claim]] = {
    "hmac_sha256": _plain,
    "github": _github,
    "standard_webhooks": _standard,
    "stripe": _stripe,
    "slack": _slack,
}


def _versions(parts: list[str], version: str, sign: str) -> list[str]:
    """The values of those parts that are `<version><sign><value>`."""
    split = [part.partition(sign) for part in parts]
    return [value for name, _, value in split if name == version and value][:MOST_SIGNATURES]


def _standard_key(secret: str) -> bytes:
    """Base64 after `whsec_`; a secret that is neither is taken as it is."""
    text = secret.removeprefix("whsec_")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b"" if text != secret else secret.encode()


def _hex(texts: Iterable[str]) -> Iterable[bytes]:
    for text in texts:
        try:
            yield bytes.fromhex(text)
        except ValueError:
            continue


def _base64(texts: Iterable[str]) -> Iterable[bytes]:
    for text in texts:
        try:
            yield base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            continue


def _either(text: str) -> Iterable[bytes]:
    """What a sender without a scheme may have written: hexadecimal or base64."""
    yield from _hex([text])
    yield from _base64([text])
