"""Whether an address has to come in through its organization's identity provider. Logging in asks this."""

from uuid import UUID

from sqlalchemy import ColumnElement, SQLColumnExpression, func, select
from sqlmodel import col

from agentflow_app.core.database import Transaction
from agentflow_app.sso.models import SsoConnection, SsoDomain


def demands(org_id: SQLColumnExpression[UUID], email: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """For a query: whether the organization demands its own provider of addresses of this domain."""
    return (
        select(col(SsoConnection.id))
        .join(SsoDomain, col(SsoDomain.connection_id) == col(SsoConnection.id))
        .where(
            col(SsoConnection.org_id) == org_id,
            col(SsoDomain.domain) == func.split_part(email, "@", 2),
            col(SsoDomain.verified_at).is_not(None),
            col(SsoConnection.active),
            col(SsoConnection.enforced),
        )
        .exists()
    )


async def enforcing_organization(tx: Transaction, email: str) -> UUID | None:
    """The organization that demands it of the address's domain. On the system role."""
    query = (
        select(col(SsoConnection.org_id))
        .join(SsoDomain, col(SsoDomain.connection_id) == col(SsoConnection.id))
        .where(
            col(SsoDomain.domain) == email.rpartition("@")[2],
            col(SsoDomain.verified_at).is_not(None),
            col(SsoConnection.active),
            col(SsoConnection.enforced),
        )
    )
    return (await tx.execute(query)).scalar_one_or_none()
