"""The token that an organization's identity provider provisions with: one, shown once, replaced, revoked."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlmodel import col

from agentflow_app.accounts.tokens import digest, new_secret
from agentflow_app.audit.service import record
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import Unauthenticated
from agentflow_app.core.ids import new_id
from agentflow_app.core.settings import settings
from agentflow_app.core.tenancy import Actor
from agentflow_app.organizations.service import is_open
from agentflow_app.sso.errors import ScimTokenNotFound
from agentflow_app.sso.models import ScimToken
from agentflow_app.sso.schemas import ScimOut, ScimSecret

PREFIX = "scim_"
PREFIX_LENGTH = 12
PATH = "/api/v1/scim/v2"
USE_NOTED_EVERY = timedelta(minutes=1)


def base_url() -> str:
    return settings().base_url + PATH


class ScimTokenService:
    """Bound to one transaction and one actor."""

    def __init__(self, tx: Transaction, actor: Actor) -> None:
        self.tx = tx
        self.actor = actor

    async def get(self) -> ScimOut:
        self.actor.require("sso:read")
        query = select(ScimToken).where(col(ScimToken.org_id) == self.actor.org_id)
        row = (await self.tx.execute(query)).scalar_one_or_none()
        return _render(row) if row else ScimOut(base_url=base_url())

    async def replace(self) -> ScimSecret:
        """A new one; the one before stops at once."""
        self.actor.require("sso:write")
        before = await self._end()
        secret = new_secret(PREFIX)
        row = ScimToken(
            id=new_id(),
            org_id=self.actor.org_id,
            created_by=self.actor.user_id,
            token_hash=digest(secret),
            prefix=secret[:PREFIX_LENGTH],
        )
        self.tx.add(row)
        told = {"prefix": row.prefix, "replaced": before}
        record(self.tx, self.actor, "scim_token.created", "scim_token", row.id, told)
        await self.tx.flush()
        await self.tx.refresh(row)
        return ScimSecret(**_render(row).model_dump(), token=secret)

    async def revoke(self) -> None:
        """Raises ScimTokenNotFound."""
        self.actor.require("sso:write")
        before = await self._end()
        if before is None:
            raise ScimTokenNotFound
        record(self.tx, self.actor, "scim_token.revoked", "scim_token", None, {"prefix": before})
        await self.tx.flush()

    async def _end(self) -> str | None:
        await self.tx.execute(select(func.pg_advisory_xact_lock(self.actor.org_id.int % 2**63)))
        gone = delete(ScimToken).where(col(ScimToken.org_id) == self.actor.org_id)
        return (await self.tx.execute(gone.returning(col(ScimToken.prefix)))).scalar_one_or_none()


def _render(row: ScimToken) -> ScimOut:
    return ScimOut(
        base_url=base_url(), prefix=row.prefix, created_at=row.created_at, last_used_at=row.last_used_at
    )


async def provisioner(secret: str | None) -> tuple[Actor, UUID]:
    """Who a token lets in, and the token's id. Raises Unauthenticated."""
    if not secret or not secret.startswith(PREFIX):
        raise Unauthenticated("Send a valid SCIM token")
    async with database().system() as tx:
        query = select(ScimToken).where(col(ScimToken.token_hash) == digest(secret))
        row = (await tx.execute(query)).scalar_one_or_none()
        if row is None or not await is_open(tx, row.org_id):
            raise Unauthenticated("Send a valid SCIM token")
        if row.last_used_at is None or utcnow() - row.last_used_at > USE_NOTED_EVERY:
            used = update(ScimToken).where(col(ScimToken.id) == row.id)
            await tx.execute(used.values(last_used_at=func.now()))
    return Actor.provisioner(row.org_id), row.id
