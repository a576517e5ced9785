"""Links in letters: what they carry proves an address, once, for a while."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, cast
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlmodel import col

from agentflow_app.accounts.models import OneTimeToken
from agentflow_app.accounts.tokens import digest, new_secret
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import AppError
from agentflow_app.core.settings import settings

Purpose = Literal["reset", "verify", "change_email"]
LIFETIMES: dict[Purpose, timedelta] = {
    "reset": timedelta(hours=1),
    "verify": timedelta(days=3),
    "change_email": timedelta(hours=24),
}
AGAIN_AFTER = timedelta(minutes=1)


class LinkInvalid(AppError):  # noqa: N818
    """Unknown, used, replaced by a newer one or too old: not told apart."""

    code = "LINK_INVALID"
    status = 410

    def __init__(self) -> None:
        super().__init__("This link was used already or is too old; ask for a new one")


@dataclass(frozen=True, slots=True)
class Proof:
    user_id: UUID
    purpose: Purpose
    email: str


async def issue(
    tx: Transaction, user_id: UUID, purpose: Purpose, email: str, *, patient: bool = True
) -> str | None:
    """A new token, which replaces those before it. None where `patient` and one was made a moment ago."""
    mine = (col(OneTimeToken.user_id) == user_id, col(OneTimeToken.purpose) == purpose)
    if patient:
        recent = select(col(OneTimeToken.id)).where(
            *mine, col(OneTimeToken.email) == email, col(OneTimeToken.created_at) > func.now() - AGAIN_AFTER
        )
        if (await tx.execute(recent)).first():
            return None
    await tx.execute(delete(OneTimeToken).where(*mine))
    secret = new_secret()
    tx.add(
        OneTimeToken(
            user_id=user_id,
            purpose=purpose,
            email=email,
            token_hash=digest(secret),
            expires_at=utcnow() + LIFETIMES[purpose],
        )
    )
    await tx.flush()
    return secret


async def spend(tx: Transaction, secret: str, *purposes: Purpose) -> Proof:
    """What the token proves; it is gone then, whoever comes second. Raises LinkInvalid."""
    taken = (
        delete(OneTimeToken)
        .where(
            col(OneTimeToken.token_hash) == digest(secret),
            col(OneTimeToken.purpose).in_(purposes),
            col(OneTimeToken.expires_at) > func.now(),
        )
        .returning(col(OneTimeToken.user_id), col(OneTimeToken.purpose), col(OneTimeToken.email))
    )
    row = (await tx.execute(taken)).one_or_none()
    if row is None:
        raise LinkInvalid
    return Proof(row[0], cast(Purpose, row[1]), row[2])


async def forget_links(tx: Transaction, user_id: UUID) -> None:
    """After a new password or address, older links must not undo it."""
    await tx.execute(delete(OneTimeToken).where(col(OneTimeToken.user_id) == user_id))


def reset_link(secret: str) -> str:
    # After the #: what stands there is sent to no server and so is in no log.
    return f"{settings().base_url}/reset/#{secret}"


def verify_link(secret: str) -> str:
    return f"{settings().base_url}/verify/#{secret}"


async def sweep_links() -> None:
    async with database().system() as tx:
        await tx.execute(delete(OneTimeToken).where(col(OneTimeToken.expires_at) < func.now()))
