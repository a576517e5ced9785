"""The ways to prove that it is really them: what they have of password, passkey, app and provider."""

from uuid import UUID

from agentflow_app.accounts import passkeys
from agentflow_app.accounts.active import person_of, user_of
from agentflow_app.accounts.challenges import attempt, close, open_challenge
from agentflow_app.accounts.proof import confirm_password, keep_proof, proved_until
from agentflow_app.accounts.schemas import PasskeyAsked, ProofGiven, ProofOut, ProofProvider
from agentflow_app.accounts.second_factor import has_totp, spend_totp
from agentflow_app.accounts.trail import note
from agentflow_app.core.database import database
from agentflow_app.core.errors import Conflict, Forbidden, ValidationFailed
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.core.tenancy import Actor
from agentflow_app.sso.identities import identities_of


class NoSession(Forbidden):
    code = "NO_SESSION"

    def __init__(self) -> None:
        super().__init__("This access token belongs to no session; log in to get one that does")


class NoPasskey(Conflict):
    code = "NO_PASSKEY"

    def __init__(self) -> None:
        super().__init__("Your account has no passkey; confirm that it is you another way")


def session_of(actor: Actor) -> UUID:
    """The session that a proof is for. Raises Forbidden for a key, NoSession for a token without any."""
    person_of(actor)
    if actor.session_id is None:
        raise NoSession
    return actor.session_id


async def look(actor: Actor) -> ProofOut:
    """What they can prove it with, and until when it is believed already."""
    user_id = person_of(actor)
    until = await proved_until(actor)
    async with database().system() as tx:
        user = await user_of(tx, user_id)
        return ProofOut(
            proved_until=until,
            password=user.password_hash is not None,
            passkey=await passkeys.has_any(tx, user_id),
            totp=await has_totp(tx, user_id),
            providers=[
                ProofProvider(kind=each.kind, name=each.name, connection_id=each.connection_id)
                for each in await identities_of(tx, user_id)
                if each.usable and each.kind != "other"
            ],
        )


async def prove(actor: Actor, data: ProofGiven) -> ProofOut:
    """Raises ValidationFailed, ChallengeExpired or PasskeyRefused."""
    session_of(actor)
    if data.password is not None:
        await _by_password(actor, data.password)
    elif data.code is not None:
        await _by_code(actor, data.code)
    else:
        await _by_passkey(actor, data)
    return await look(actor)


async def _by_password(actor: Actor, password: str) -> None:
    try:
        await confirm_password(actor, password)
    except ValidationFailed:
        await _note(actor, "user.proof_failed", "password")
        raise
    await keep(actor, "password")


async def _by_code(actor: Actor, code: str) -> None:
    await rate_limits().sign_in("account", actor.email)
    async with database().system() as tx:
        right = await spend_totp(tx, person_of(actor), code)
    if not right:
        await _note(actor, "user.proof_failed", "totp")
        raise ValidationFailed(fields={"code": "is not right, or was used before"})
    await keep(actor, "totp")


async def begin_passkey(actor: Actor) -> PasskeyAsked:
    """What `navigator.credentials.get` takes. Raises NoPasskey."""
    session_id, user_id = session_of(actor), person_of(actor)
    async with database().system() as tx:
        challenge = await open_challenge(tx, "proof", user_id, str(session_id))
        options = await passkeys.options_for(tx, challenge, user_id)
        if options is None:
            raise NoPasskey
    return PasskeyAsked(challenge=challenge.token, options=options)


async def _by_passkey(actor: Actor, data: ProofGiven) -> None:
    user_id = person_of(actor)
    answered = await attempt(data.challenge or "", str(session_of(actor)), "proof")
    try:
        async with database().system() as tx:
            await passkeys.verify(tx, data.credential or {}, answered.nonce, user_id)
            await close(tx, answered)
    except passkeys.PasskeyRefused:
        await _note(actor, "user.proof_failed", "passkey")
        raise
    await keep(actor, "passkey")


async def keep(actor: Actor, method: str) -> None:
    """They proved it by `method`."""
    async with database().system() as tx:
        user = await user_of(tx, person_of(actor))
        await keep_proof(tx, session_of(actor), user.id)
        await note(tx, user, "user.proved", {"method": method, "session_id": str(actor.session_id)})


async def keep_of_provider(user_id: UUID, session_id: UUID, provider: str) -> None:
    """A provider has just seen the person of this session sign in."""
    async with database().system() as tx:
        user = await user_of(tx, user_id)
        await keep_proof(tx, session_id, user_id)
        await note(tx, user, "user.proved", {"method": provider, "session_id": str(session_id)})


async def _note(actor: Actor, action: str, method: str) -> None:
    async with database().system() as tx:
        await note(tx, await user_of(tx, person_of(actor)), action, {"method": method})
