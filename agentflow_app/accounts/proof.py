"""That it is really them: asked before what a thief of the session must not do, and believed for minutes.

A proof is of one session. How it is given is in `proving`; here is what asks for it.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from agentflow_app.accounts.active import person_of, user_of
from agentflow_app.accounts.models import SessionProof
from agentflow_app.accounts.passwords import verify_password
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import Forbidden, ValidationFailed
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.core.tenancy import Actor

LIFETIME = timedelta(minutes=5)


class ProofNeeded(Forbidden):
    code = "PROOF_NEEDED"

    def __init__(self) -> None:
        super().__init__(
            "Confirm that it is you first (POST /auth/proof): with your password, a passkey, the code of your"
            " authenticator app, or by signing in at your provider again"
        )


async def ensure_proved(actor: Actor, password: str | None, *, field: str = "password") -> None:
    """By the password where one is given, else by a proof of this session.

    Raises ValidationFailed or ProofNeeded.
    """
    if password is not None:
        await confirm_password(actor, password, field=field)
    elif await proved_until(actor) is None:
        raise ProofNeeded


async def confirm_password(actor: Actor, password: str, *, field: str = "password") -> None:
    """Raises ValidationFailed."""
    user_id = person_of(actor)
    await rate_limits().sign_in("account", actor.email)
    async with database().system() as tx:
        stored = (await user_of(tx, user_id)).password_hash
    if not await verify_password(stored, password):
        raise ValidationFailed(fields={field: "is wrong"})


async def proved_until(actor: Actor) -> datetime | None:
    """Until when the actor's session is believed; None where it is not."""
    user_id = person_of(actor)
    query = select(col(SessionProof.expires_at)).where(
        col(SessionProof.session_id) == actor.session_id,
        col(SessionProof.user_id) == user_id,
        col(SessionProof.expires_at) > func.now(),
    )
    async with database().system() as tx:
        return (await tx.execute(query)).scalar_one_or_none()


async def keep_proof(tx: Transaction, session_id: UUID, user_id: UUID) -> datetime:
    """It was given just now, by the clock of the database."""
    until = func.now() + LIFETIME
    made = insert(SessionProof).values(session_id=session_id, user_id=user_id, expires_at=until)
    newest = made.on_conflict_do_update(
        index_elements=["session_id"], set_={"expires_at": until, "created_at": func.now()}
    )
    return (await tx.execute(newest.returning(col(SessionProof.expires_at)))).scalar_one()


async def sweep_proofs() -> None:
    async with database().system() as tx:
        await tx.execute(delete(SessionProof).where(col(SessionProof.expires_at) < func.now()))
