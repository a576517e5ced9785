"""The engine's door to the vault: for one execution, each use audited once and before it is opened."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from agentflow_app.audit.service import record
from agentflow_app.core.clock import utcnow
from agentflow_app.core.crypto import CannotUnseal, UnknownMasterKey, cell, unseal
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import Unavailable
from agentflow_app.core.ids import new_id, parse_id
from agentflow_app.core.tenancy import Actor
from agentflow_app.mail.transport import lent_server
from agentflow_app.vault.credentials import open_parts
from agentflow_app.vault.models import Credential, Secret, SecretUse, Variable
from agentflow_app.vault.oauth import TokenSource, open_token
from agentflow_app.vault.sending import bearer, hidden, mail_server, ready
from engine.errors import EngineError, MissingSecretError, SecretsUnavailableError
from engine.mail import MailServer
from engine.ports import Egress
from engine.secrets import Credential as ReadyCredential


class UnreadableSecretError(EngineError):
    """What the vault holds cannot be opened with the keys that this worker has."""

    code = "SECRET_UNREADABLE"


@dataclass(frozen=True, slots=True)
class RunSecrets:
    """For one execution of one organization. `user_id` is who started it, if anybody did."""

    org_id: UUID
    execution_id: UUID
    user_id: UUID | None
    egress: Egress

    async def reveal(self, names: Collection[str]) -> Mapping[str, str]:
        try:
            async with database().transaction(org_id=self.org_id) as tx:
                rows = (
                    await tx.execute(
                        select(Secret).where(
                            col(Secret.org_id) == self.org_id, col(Secret.name).in_(list(names))
                        )
                    )
                ).scalars()
                found = {row.name: row for row in rows}
                for name in sorted(names):
                    if name not in found:
                        raise MissingSecretError(f"There is no secret {name}", details={"secret": name})
                await self._note(tx, list(found.values()))
            return {name: await value_of(row) for name, row in found.items()}
        except Unavailable as error:
            raise SecretsUnavailableError("The secrets cannot be read at the moment") from error

    async def credential(self, reference: str) -> ReadyCredential:
        try:
            async with database().transaction(org_id=self.org_id) as tx:
                row = await _find(tx, self.org_id, reference)
                await self._note(tx, [row])
            if row.type == "oauth2":
                token, hidden = await TokenSource(self.org_id, row.id, self.egress).token()
                return bearer(row, token, hidden)
            return ready(row, await open_parts(row))
        except (CannotUnseal, UnknownMasterKey) as error:
            raise UnreadableSecretError(f"The credential {reference!r}: {error.message}") from error
        except Unavailable as error:
            raise SecretsUnavailableError("The credential cannot be read at the moment") from error

    async def mail_server(self, reference: str | None) -> MailServer:
        if reference is None:
            own = lent_server()
            if own is None:
                raise MissingSecretError(
                    "There is no mail server to send with; choose a credential of the type mail server"
                )
            return own
        try:
            async with database().transaction(org_id=self.org_id) as tx:
                row = await _find(tx, self.org_id, reference)
                await self._note(tx, [row])
            return mail_server(row, await open_parts(row))
        except (CannotUnseal, UnknownMasterKey) as error:
            raise UnreadableSecretError(f"The credential {reference!r}: {error.message}") from error
        except Unavailable as error:
            raise SecretsUnavailableError("The credential cannot be read at the moment") from error

    async def used(self) -> Sequence[str]:
        """What was deleted since is not known any more; what was changed is masked as it is now."""
        try:
            async with database().transaction(org_id=self.org_id) as tx:
                used = select(col(SecretUse.item_id)).where(
                    col(SecretUse.org_id) == self.org_id, col(SecretUse.execution_id) == self.execution_id
                )
                ids = set((await tx.execute(used)).scalars())
                if not ids:
                    return ()
                secrets = (await tx.execute(select(Secret).where(col(Secret.id).in_(ids)))).scalars().all()
                rows = (
                    (await tx.execute(select(Credential).where(col(Credential.id).in_(ids)))).scalars().all()
                )
            values = [await value_of(secret) for secret in secrets]
            for row in rows:
                values += hidden(row, await open_parts(row)) if row.type != "oauth2" else ()
                values += await open_token(row) if row.type == "oauth2" else ()
            return values
        except (CannotUnseal, UnknownMasterKey) as error:
            raise UnreadableSecretError(f"The secrets of this run: {error.message}") from error

    async def _note(self, tx: Transaction, rows: Sequence[Secret | Credential]) -> None:
        await note_use(tx, self.org_id, self.execution_id, self.user_id, rows)


async def note_use(
    tx: Transaction,
    org_id: UUID,
    execution_id: UUID,
    user_id: UUID | None,
    rows: Sequence[Secret | Credential],
) -> None:
    """Audits those that the execution had not used before."""
    uses = [
        {"id": new_id(), "org_id": org_id, "execution_id": execution_id, "item_id": row.id} for row in rows
    ]
    noted = await tx.execute(
        insert(SecretUse).values(uses).on_conflict_do_nothing().returning(col(SecretUse.item_id))
    )
    new = set(noted.scalars())
    actor = replace(Actor.trigger(org_id), user_id=user_id)
    for row in rows:
        if row.id in new:
            kind = "secret" if isinstance(row, Secret) else "credential"
            told = {"name": row.name, "execution_id": str(execution_id)}
            record(tx, actor, f"{kind}.used", kind, row.id, told)
            table = type(row)
            await tx.execute(update(table).where(col(table.id) == row.id).values(last_used_at=utcnow()))


async def variables(tx: Transaction, org_id: UUID, names: Collection[str] | None) -> dict[str, object]:
    """The values of an organization's variables; of all, where `names` is None."""
    query = select(col(Variable.name), col(Variable.value)).where(col(Variable.org_id) == org_id)
    if names is not None:
        query = query.where(col(Variable.name).in_(list(names)))
    return {row[0]: row[1] for row in await tx.execute(query)}


async def _find(tx: Transaction, org_id: UUID, reference: str) -> Credential:
    credential_id = parse_id(reference)
    named = col(Credential.name) == reference
    chosen = named if credential_id is None else or_(col(Credential.id) == credential_id, named)
    rows = (
        (await tx.execute(select(Credential).where(col(Credential.org_id) == org_id, chosen))).scalars().all()
    )
    if not rows:
        raise MissingSecretError("There is no such credential here", details={"credential": reference[:100]})
    return next((row for row in rows if row.id == credential_id), rows[0])


async def value_of(secret: Secret) -> str:
    """Raises UnreadableSecretError."""
    try:
        return (await unseal(secret.value, cell("secrets", "value", secret.id))).decode()
    except (CannotUnseal, UnknownMasterKey) as error:
        raise UnreadableSecretError(f"The secret {secret.name}: {error.message}") from error
