"""The secrets that the callers of webhooks sign with."""

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from agentflow_app.core.database import Transaction
from agentflow_app.core.errors import Unavailable
from agentflow_app.vault.models import Secret
from agentflow_app.vault.runs import UnreadableSecretError, note_use, value_of


@dataclass(frozen=True, slots=True)
class SigningSecret:
    value: str = field(repr=False)
    _row: Secret

    async def note(self, tx: Transaction, execution_id: UUID) -> None:
        """Audits its use, once there is a run that began by it."""
        await note_use(tx, self._row.org_id, execution_id, None, [self._row])


async def signing_secret(tx: Transaction, org_id: UUID, name: str) -> SigningSecret | None:
    """None where it is gone. Raises Unavailable where it cannot be opened."""
    query = select(Secret).where(col(Secret.org_id) == org_id, col(Secret.name) == name)
    row = (await tx.execute(query)).scalar_one_or_none()
    if row is None:
        return None
    try:
        return SigningSecret(await value_of(row), row)
    except UnreadableSecretError as error:
        raise Unavailable("The signature cannot be checked at the moment; try again later") from error
