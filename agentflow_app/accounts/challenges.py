"""A sign-in in two steps: the first opens a challenge, which the same browser may answer, a few times."""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, func, update
from sqlmodel import col

from agentflow_app.accounts.models import LoginChallenge
from agentflow_app.accounts.tokens import digest, new_secret
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import Unauthenticated

Purpose = Literal["second_factor", "social_factor", "passkey", "new_passkey", "proof"]
"""`social_factor`: the second one, after Google or GitHub vouched instead of a password."""
LIFETIME = timedelta(minutes=5)
ATTEMPTS = 5
CHALLENGE_COOKIE = "agentflow_challenge"


class ChallengeExpired(Unauthenticated):
    """Unknown, used up, too old, or begun in another browser: not told apart."""

    code = "CHALLENGE_EXPIRED"

    def __init__(self) -> None:
        super().__init__("This took too long or too many attempts; start again")


@dataclass(frozen=True, slots=True)
class Challenge:
    """`token` goes to the page, `browser` into a cookie; `nonce` is what a passkey signs."""

    token: str
    browser: str
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    id: UUID
    user_id: UUID | None
    nonce: bytes
    purpose: str


async def open_challenge(
    tx: Transaction, purpose: Purpose, user_id: UUID | None, browser: str | None = None
) -> Challenge:
    """`browser` tells it from others where it is logged in; else that is a new secret, for a cookie."""
    made = Challenge(new_secret(), browser or new_secret(), os.urandom(32))
    tx.add(
        LoginChallenge(
            user_id=user_id,
            purpose=purpose,
            token_hash=digest(made.token),
            browser_hash=digest(made.browser),
            nonce=made.nonce,
            expires_at=utcnow() + LIFETIME,
        )
    )
    await tx.flush()
    return made


async def attempt(token: str, browser: str | None, *purposes: Purpose) -> Answered:
    """Counts an attempt, before it is looked at, in a transaction of its own. Raises ChallengeExpired."""
    counted = (
        update(LoginChallenge)
        .where(
            col(LoginChallenge.token_hash) == digest(token),
            col(LoginChallenge.browser_hash) == digest(browser or ""),
            col(LoginChallenge.purpose).in_(purposes),
            col(LoginChallenge.expires_at) > func.now(),
            col(LoginChallenge.attempts) < ATTEMPTS,
        )
        .values(attempts=LoginChallenge.attempts + 1)
        .returning(
            col(LoginChallenge.id),
            col(LoginChallenge.user_id),
            col(LoginChallenge.nonce),
            col(LoginChallenge.purpose),
        )
    )
    async with database().system() as tx:
        row = (await tx.execute(counted)).one_or_none()
    if row is None:
        raise ChallengeExpired
    return Answered(*row)


async def close(tx: Transaction, answered: Answered) -> None:
    """It was answered rightly: nobody answers it again. Raises ChallengeExpired for who comes second."""
    gone = delete(LoginChallenge).where(col(LoginChallenge.id) == answered.id)
    if (await tx.execute(gone.returning(col(LoginChallenge.id)))).one_or_none() is None:
        raise ChallengeExpired


async def drop_challenges(tx: Transaction, user_id: UUID) -> None:
    """What was begun with an old password is not finished after a new one."""
    await tx.execute(delete(LoginChallenge).where(col(LoginChallenge.user_id) == user_id))


async def sweep_challenges() -> None:
    async with database().system() as tx:
        await tx.execute(delete(LoginChallenge).where(col(LoginChallenge.expires_at) < func.now()))
