"""Access tokens (JWT, 15 minutes) and opaque secrets, of which only the SHA-256 is kept."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from agentflow_app.core.clock import utcnow
from agentflow_app.core.ids import new_id, parse_id
from agentflow_app.core.settings import settings

ACCESS_SECONDS = 900
_ALGORITHM = "HS256"
_ISSUER = "agentflow"


@dataclass(frozen=True, slots=True)
class AccessClaims:
    user_id: UUID
    org_id: UUID


def _key() -> OctKey:
    secret = settings().secret_key.get_secret_value().encode()
    return OctKey.import_key(hmac.new(secret, b"access-token", hashlib.sha256).digest())


def issue_access_token(user_id: UUID, org_id: UUID) -> str:
    now = utcnow()
    claims = {
        "iss": _ISSUER,
        "sub": str(user_id),
        "org": str(org_id),
        "jti": str(new_id()),
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(seconds=ACCESS_SECONDS)).timestamp()),
    }
    return jwt.encode({"alg": _ALGORITHM, "typ": "at+jwt"}, claims, _key(), algorithms=[_ALGORITHM])


def read_access_token(token: str) -> AccessClaims | None:
    """The claims of a token that is ours, whole and in date; None of any other."""
    try:
        decoded = jwt.decode(token, _key(), algorithms=[_ALGORITHM])
        registry = jwt.JWTClaimsRegistry(
            leeway=0,
            iss={"essential": True, "value": _ISSUER},
            exp={"essential": True},
            sub={"essential": True},
            org={"essential": True},
        )
        registry.validate(decoded.claims)
    except (JoseError, ValueError, TypeError):
        return None
    if decoded.header.get("typ") != "at+jwt":
        return None
    user_id, org_id = parse_id(str(decoded.claims["sub"])), parse_id(str(decoded.claims["org"]))
    return AccessClaims(user_id, org_id) if user_id and org_id else None


def new_secret(prefix: str = "") -> str:
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
