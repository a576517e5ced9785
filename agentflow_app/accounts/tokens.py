"""Access tokens (JWT, 15 minutes) and opaque secrets, of which only the SHA-256 is kept."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
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
    """`issued_at` is exact to the microsecond; `session_id` is the login that the token came from.

    `sso_org_id` is the organization whose identity provider vouched at that login.
    """

    user_id: UUID
    org_id: UUID
    issued_at: datetime
    session_id: UUID | None
    sso_org_id: UUID | None = None


def _key() -> OctKey:
    return _derived(settings().secret_key.get_secret_value())


@lru_cache(maxsize=1)
def _derived(secret: str) -> OctKey:
    return OctKey.import_key(hmac.new(secret.encode(), b"access-token", hashlib.sha256).digest())


def issue_access_token(
    user_id: UUID, org_id: UUID, session_id: UUID | None = None, sso_org_id: UUID | None = None
) -> str:
    now = utcnow()
    claims: dict[str, str | int | float] = {
        "iss": _ISSUER,
        "sub": str(user_id),
        "org": str(org_id),
        "jti": str(new_id()),
        "iat": int(now.timestamp()),
        "at": now.timestamp(),
        "exp": int((now + timedelta(seconds=ACCESS_SECONDS)).timestamp()),
    }
    if session_id is not None:
        claims["sid"] = str(session_id)
    if sso_org_id is not None:
        claims["sso"] = str(sso_org_id)
    return jwt.encode({"alg": _ALGORITHM, "typ": "at+jwt"}, claims, _key(), algorithms=[_ALGORITHM])


def read_access_token(token: str) -> AccessClaims | None:
    """The claims of a token that is ours, whole and in date; None of any other."""
    try:
        decoded = jwt.decode(token, _key(), algorithms=[_ALGORITHM])
        registry = jwt.JWTClaimsRegistry(
            leeway=0,
            iss={"essential": True, "value": _ISSUER},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            org={"essential": True},
        )
        registry.validate(decoded.claims)
    except (JoseError, ValueError, TypeError):
        return None
    if decoded.header.get("typ") != "at+jwt":
        return None
    user_id, org_id = parse_id(str(decoded.claims["sub"])), parse_id(str(decoded.claims["org"]))
    if user_id is None or org_id is None:
        return None
    issued_at = datetime.fromtimestamp(float(decoded.claims.get("at") or decoded.claims["iat"] or 0), UTC)
    session_id, sso_org_id = (parse_id(str(decoded.claims.get(name, ""))) for name in ("sid", "sso"))
    return AccessClaims(user_id, org_id, issued_at, session_id, sso_org_id)


def new_secret(prefix: str = "") -> str:
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
