"""A person's own name and address. A new address counts once a link sent there was followed."""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from agentflow_app.accounts.active import person_of, user_of
from agentflow_app.accounts.letters import send_address_change, send_notice, send_verification
from agentflow_app.accounts.links import LinkInvalid, forget_links, issue, spend
from agentflow_app.accounts.models import User
from agentflow_app.accounts.proof import ensure_proved
from agentflow_app.accounts.schemas import EmailChange, Profile, ProfileChange, Verified
from agentflow_app.accounts.trail import note
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import database
from agentflow_app.core.errors import Conflict
from agentflow_app.core.tenancy import Actor
from agentflow_app.mail.service import mail_configured


class NoMail(Conflict):
    code = "MAIL_NOT_CONFIGURED"

    def __init__(self) -> None:
        super().__init__("This server sends no mail yet, so an address cannot be confirmed; ask its operator")


async def read_profile(actor: Actor) -> Profile:
    user_id = person_of(actor)
    async with database().system() as tx:
        return _shown(await user_of(tx, user_id))


def _shown(user: User) -> Profile:
    return Profile(
        id=user.id,
        name=user.name,
        email=user.email,
        email_verified=user.email_verified_at is not None,
        can_verify=mail_configured(),
        has_password=user.password_hash is not None,
        created_at=user.created_at,
    )


async def change_profile(actor: Actor, data: ProfileChange) -> Profile:
    user_id = person_of(actor)
    async with database().system() as tx:
        user = await user_of(tx, user_id, lock=True)
        before, user.name = user.name, data.name
        if before != user.name:
            # Without the names: what the trail tells of whom must go when the person is erased.
            await note(tx, user, "user.renamed")
        return _shown(user)


async def ask_for_verification(actor: Actor) -> None:
    """Sends the link anew, unless the address is verified or one was sent a moment ago. Raises NoMail."""
    user_id = person_of(actor)
    if not mail_configured():
        raise NoMail
    async with database().system() as tx:
        user = await user_of(tx, user_id)
        secret = None if user.email_verified_at else await issue(tx, user.id, "verify", user.email)
        if secret:
            await send_verification(tx, user.email, secret)


async def ask_for_address(actor: Actor, data: EmailChange) -> None:
    """Sends a link to the new address. One that has an account is not told: its owner's mailbox stays quiet.

    All else is done for such a one, too: who asks is not to learn of other accounts by what is missing.
    Raises ValidationFailed for a wrong password, ProofNeeded or NoMail.
    """
    user_id = person_of(actor)
    if not mail_configured():
        raise NoMail
    await ensure_proved(actor, data.password)
    async with database().system() as tx:
        taken = (await tx.execute(select(col(User.id)).where(col(User.email) == data.email))).first()
        secret = await issue(tx, user_id, "change_email", data.email)
        if secret:
            await send_address_change(tx, data.email, secret, withheld=taken is not None)
            await note(tx, await user_of(tx, user_id), "user.email_change_requested")


async def follow_link(token: str) -> Verified:
    """Verifies the address, or makes the new one the account's. Raises LinkInvalid."""
    async with database().system() as tx:
        proof = await spend(tx, token, "verify", "change_email")
        user = await user_of(tx, proof.user_id, lock=True)
        before = user.email
        if proof.purpose == "verify" and before != proof.email:
            raise LinkInvalid
        user.email, user.email_verified_at = proof.email, utcnow()
        try:
            await tx.flush()
        except IntegrityError:  # somebody signed up with it meanwhile
            raise LinkInvalid from None
        if before != user.email:
            await forget_links(tx, user.id)
            await send_notice(tx, before, "Your AgentFlow account now has another e-mail address")
        await note(tx, user, "user.email_changed" if before != user.email else "user.email_verified")
        return Verified(email=user.email, changed=before != user.email)


async def note_export(actor: Actor) -> None:
    user_id = person_of(actor)
    async with database().system() as tx:
        await note(tx, await user_of(tx, user_id), "user.data_exported")
