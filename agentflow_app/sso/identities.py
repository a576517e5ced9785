"""By which providers a person is known here: listed and forgotten."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import delete, select
from sqlmodel import col

from agentflow_app.core.database import Transaction
from agentflow_app.sso.clients import LABELS, clients
from agentflow_app.sso.models import SocialIdentity, SsoConnection, SsoIdentity

Kind = Literal["google", "github", "sso", "other"]


@dataclass(frozen=True, slots=True)
class Identity:
    """`usable`: whether its provider can be signed in with now. `org_id` and `connection_id`: of SSO."""

    id: UUID
    kind: Kind
    name: str
    usable: bool
    created_at: datetime
    org_id: UUID | None = None
    connection_id: UUID | None = None


async def identities_of(tx: Transaction, user_id: UUID) -> list[Identity]:
    """The oldest first. On the system role."""
    by_issuer = {client.issuer: name for name, client in clients().items()}
    social = select(SocialIdentity).where(col(SocialIdentity.user_id) == user_id)
    found = [_social(row, by_issuer.get(row.issuer)) for row in (await tx.execute(social)).scalars()]
    single = (
        select(SsoIdentity, SsoConnection)
        .join(SsoConnection, col(SsoConnection.id) == col(SsoIdentity.connection_id))
        .where(col(SsoIdentity.user_id) == user_id)
    )
    found += [
        Identity(row.id, "sso", held.name, held.active, row.created_at, held.org_id, held.id)
        for row, held in await tx.execute(single)
    ]
    return sorted(found, key=lambda each: (each.created_at, each.id))


def _social(row: SocialIdentity, name: str | None) -> Identity:
    if name is None:
        return Identity(row.id, "other", urlsplit(row.issuer).hostname or row.issuer, False, row.created_at)
    return Identity(row.id, "google" if name == "google" else "github", LABELS[name], True, row.created_at)


async def forget_identity(tx: Transaction, user_id: UUID, identity_id: UUID) -> None:
    """On the system role."""
    for table in (SocialIdentity, SsoIdentity):
        mine = (col(table.id) == identity_id, col(table.user_id) == user_id)
        await tx.execute(delete(table).where(*mine))
