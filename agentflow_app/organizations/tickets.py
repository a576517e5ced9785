"""Tickets to download an export in a browser: signed, for one export and one person, good for a minute."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from agentflow_app.accounts.authentication import actor_behind
from agentflow_app.accounts.tokens import AccessClaims
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import database
from agentflow_app.core.errors import NotFound
from agentflow_app.core.ids import parse_id
from agentflow_app.core.settings import settings
from agentflow_app.core.tenancy import Actor
from agentflow_app.organizations.exports import ExportService

LIFETIME = timedelta(seconds=60)
_KIND = "export+jwt"


class TicketGone(NotFound):
    code = "TICKET_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("This link to a download is not good any more; ask for it again")


def _key() -> OctKey:
    secret = settings().secret_key.get_secret_value().encode()
    return OctKey.import_key(hmac.new(secret, b"export-ticket", hashlib.sha256).digest())


def ticket_for(actor: Actor, export_id: UUID) -> str:
    now = utcnow()
    claims: dict[str, str | int | float] = {
        "sub": str(actor.user_id),
        "org": str(actor.org_id),
        "sid": str(actor.session_id),
        "export": str(export_id),
        "at": now.timestamp(),
        "exp": int((now + LIFETIME).timestamp()),
    }
    return jwt.encode({"alg": "HS256", "typ": _KIND}, claims, _key(), algorithms=["HS256"])


async def redeem(ticket: str) -> tuple[UUID, AsyncIterator[bytes]]:
    """The export and its file. Whose ticket it is must still be allowed to. Raises TicketGone."""
    try:
        decoded = jwt.decode(ticket, _key(), algorithms=["HS256"])
        jwt.JWTClaimsRegistry(leeway=0, exp={"essential": True}).validate(decoded.claims)
    except (JoseError, ValueError, TypeError) as error:
        raise TicketGone from error
    ids = [parse_id(str(decoded.claims.get(name))) for name in ("sub", "org", "export")]
    user_id, org_id, export_id = ids
    if decoded.header.get("typ") != _KIND or user_id is None or org_id is None or export_id is None:
        raise TicketGone
    issued_at = datetime.fromtimestamp(float(decoded.claims["at"]), UTC)
    session_id = parse_id(str(decoded.claims.get("sid")))
    actor = await actor_behind(AccessClaims(user_id, org_id, issued_at, session_id))
    if actor is None:
        raise TicketGone
    async with database().transaction(actor) as tx:
        return export_id, await ExportService(tx, actor).open(export_id)
