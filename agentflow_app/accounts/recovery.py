"""Passwords: changed by who knows the old one, reset by who reads the account's mail."""

from sqlalchemy import select
from sqlmodel import col

from agentflow_app.accounts.active import person_of, user_of
from agentflow_app.accounts.challenges import drop_challenges
from agentflow_app.accounts.letters import send_notice, send_reset
from agentflow_app.accounts.links import forget_links, issue, reset_link, spend
from agentflow_app.accounts.models import User
from agentflow_app.accounts.password_rules import check_password
from agentflow_app.accounts.passwords import hash_password
from agentflow_app.accounts.proof import ensure_proved
from agentflow_app.accounts.schemas import PasswordChange, PasswordReset
from agentflow_app.accounts.sessions import end_sessions
from agentflow_app.accounts.trail import note
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import NotFound
from agentflow_app.core.schemas import address_of
from agentflow_app.core.tenancy import Actor


async def change_password(actor: Actor, data: PasswordChange) -> None:
    """Or sets one, where there is none. Ends every other session. Raises ValidationFailed or ProofNeeded."""
    user_id = person_of(actor)
    check_password(data.new_password, actor.email, field="new_password")
    await ensure_proved(actor, data.old_password, field="old_password")
    hashed = await hash_password(data.new_password)
    async with database().system() as tx:
        user = await user_of(tx, user_id, lock=True)
        user.password_hash = hashed
        ended = await end_sessions(tx, user_id, but=actor.session_id)
        await forget_links(tx, user_id)
        await drop_challenges(tx, user_id)
        await note(tx, user, "user.password_changed", {"sessions_ended": ended})
        await send_notice(tx, user.email, "The password of your AgentFlow account was changed")


async def forget_password(email: str) -> None:
    """Sends a link, if there is such an account. Runs after the answer, so that its time tells nothing."""
    async with database().system() as tx:
        user = await _active(tx, email)
        secret = await issue(tx, user.id, "reset", user.email) if user else None
        if user is not None and secret is not None:
            await send_reset(tx, user.email, secret)
            await note(tx, user, "user.password_reset_requested")


async def reset_password(data: PasswordReset) -> None:
    """Ends every session; logs nobody in. Raises LinkInvalid or ValidationFailed."""
    hashed = await hash_password(data.password)
    async with database().system() as tx:
        proof = await spend(tx, data.token, "reset")
        user = await user_of(tx, proof.user_id, lock=True)
        check_password(data.password, user.email)  # refused, the link stays good: nothing was committed
        user.password_hash = hashed
        user.tokens_valid_after = utcnow()
        ended = await end_sessions(tx, user.id)
        await forget_links(tx, user.id)
        await drop_challenges(tx, user.id)
        await note(tx, user, "user.password_reset", {"sessions_ended": ended})
        await send_notice(tx, user.email, "The password of your AgentFlow account was reset")


async def operator_reset_link(email: str) -> str:
    """For the operator to pass on where no mail is sent. Raises NotFound."""
    async with database().system() as tx:
        user = await _active(tx, email)
        if user is None:
            raise NotFound(f"There is no active account {email}")
        secret = await issue(tx, user.id, "reset", user.email, patient=False)
        assert secret is not None
        await note(tx, user, "user.password_reset_requested", {"by": "operator"})
    return reset_link(secret)


async def _active(tx: Transaction, email: str) -> User | None:
    query = select(User).where(col(User.email) == address_of(email), col(User.is_active))
    return (await tx.execute(query)).scalar_one_or_none()
