"""What an organization has, by name: for warnings about what it has not, and for pickers."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from agentflow_app.core.database import Transaction
from agentflow_app.core.tenancy import Actor
from agentflow_app.vault.models import Credential, Secret, Variable
from engine.problems import KnownNames

MAIL = "smtp"
"""The type of the credentials that letters are sent with; the others go on requests."""


@dataclass(frozen=True, slots=True)
class CredentialName:
    id: str
    name: str
    type: str


async def known_names(tx: Transaction, actor: Actor) -> KnownNames:
    """Names alone, so whoever reads agents may know them."""
    actor.require("agents:read")
    return await names_here(tx, actor.org_id)


async def names_here(tx: Transaction, org_id: UUID) -> KnownNames:
    """For use cases that have authorised already and show none of them that the caller did not name."""
    secrets = select(col(Secret.name)).where(col(Secret.org_id) == org_id)
    variables = select(col(Variable.name)).where(col(Variable.org_id) == org_id)
    credentials = await _credentials(tx, org_id)
    return KnownNames(
        secrets=set((await tx.execute(secrets)).scalars()),
        variables=set((await tx.execute(variables)).scalars()),
        credentials={value for each in credentials for value in (each.id, each.name)},
    )


async def credential_names(tx: Transaction, actor: Actor) -> list[CredentialName]:
    actor.require("agents:read")
    return await _credentials(tx, actor.org_id)


async def _credentials(tx: Transaction, org_id: UUID) -> list[CredentialName]:
    query = (
        select(col(Credential.id), col(Credential.name), col(Credential.type))
        .where(col(Credential.org_id) == org_id)
        .order_by(col(Credential.name))
    )
    return [CredentialName(str(row[0]), row[1], row[2]) for row in await tx.execute(query)]
