"""Passkeys (WebAuthn): kept by the person's device, bound to this site's name, asked with PIN or finger."""

import json
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from agentflow_app.accounts.active import person_of, user_of
from agentflow_app.accounts.challenges import Challenge, ChallengeExpired, attempt, close, open_challenge
from agentflow_app.accounts.letters import send_notice
from agentflow_app.accounts.models import Passkey
from agentflow_app.accounts.proof import ensure_proved
from agentflow_app.accounts.schemas import NewPasskey, PasskeyAsked, PasskeyMade, PasskeyOut
from agentflow_app.accounts.second_factor import codes_left, make_codes, renew_standing
from agentflow_app.accounts.trail import note
from agentflow_app.accounts.ways import ensure_not_last
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import Conflict, NotFound, Unauthenticated, ValidationFailed
from agentflow_app.core.settings import settings
from agentflow_app.core.tenancy import Actor

MOST = 20


class PasskeyRefused(Unauthenticated):
    """Unknown, for another site, or not signed by its device: not told apart."""

    code = "PASSKEY_REFUSED"

    def __init__(self) -> None:
        super().__init__("This passkey was not accepted; try again or log in another way")


class PasskeyNotFound(NotFound):
    code = "PASSKEY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such passkey; it may have been removed already")


class TooManyPasskeys(Conflict):
    code = "TOO_MANY_PASSKEYS"

    def __init__(self) -> None:
        super().__init__(f"An account has at most {MOST} passkeys; remove one first")


def site() -> str:
    """The name that passkeys are bound to: the host of the address that people are given."""
    return urlsplit(settings().base_url).hostname or "localhost"


def _origin() -> str:
    parts = urlsplit(settings().base_url)
    return f"{parts.scheme}://{parts.netloc}"


async def list_passkeys(actor: Actor) -> list[PasskeyOut]:
    user_id = person_of(actor)
    async with database().system() as tx:
        return [PasskeyOut.model_validate(each) for each in await _of(tx, user_id)]


async def has_any(tx: Transaction, user_id: UUID) -> bool:
    query = select(col(Passkey.id)).where(col(Passkey.user_id) == user_id).limit(1)
    return (await tx.execute(query)).scalar_one_or_none() is not None


async def _of(tx: Transaction, user_id: UUID) -> list[Passkey]:
    query = select(Passkey).where(col(Passkey.user_id) == user_id).order_by(col(Passkey.created_at))
    return list((await tx.execute(query)).scalars())


def _login_of(actor: Actor) -> str:
    return str(actor.session_id or actor.user_id)


async def begin_registration(actor: Actor, password: str | None) -> PasskeyAsked:
    """What `navigator.credentials.create` takes. Raises ValidationFailed, ProofNeeded or TooManyPasskeys."""
    import webauthn
    from webauthn.helpers import structs

    user_id = person_of(actor)
    await ensure_proved(actor, password)
    async with database().system() as tx:
        known = await _of(tx, user_id)
        if len(known) >= MOST:
            raise TooManyPasskeys
        challenge = await open_challenge(tx, "new_passkey", user_id, _login_of(actor))
    options = webauthn.generate_registration_options(
        rp_id=site(),
        rp_name="AgentFlow",
        user_id=user_id.bytes,
        user_name=actor.email,
        user_display_name=actor.name,
        challenge=challenge.nonce,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=each.credential_id) for each in known],
    )
    return PasskeyAsked(challenge=challenge.token, options=json.loads(webauthn.options_to_json(options)))


async def finish_registration(actor: Actor, data: NewPasskey) -> PasskeyMade:
    """Raises ValidationFailed."""
    import webauthn
    from webauthn.helpers.exceptions import WebAuthnException

    user_id = person_of(actor)
    try:
        answered = await attempt(data.challenge, _login_of(actor), "new_passkey")
    except ChallengeExpired as error:
        raise ValidationFailed(fields={"challenge": "took too long or was used; start again"}) from error
    try:
        verified = webauthn.verify_registration_response(
            credential=data.credential,
            expected_challenge=answered.nonce,
            expected_rp_id=site(),
            expected_origin=_origin(),
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError):
        raise ValidationFailed(fields={"credential": "was not made for this site and this moment"}) from None
    async with database().system() as tx:
        user = await user_of(tx, user_id, lock=True)
        await close(tx, answered)
        passkey = Passkey(
            user_id=user_id,
            name=data.name,
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            transports=[],
        )
        tx.add(passkey)
        try:
            await tx.flush()
        except IntegrityError:
            raise ValidationFailed(fields={"credential": "is registered already"}) from None
        await renew_standing(tx, user)
        await note(tx, user, "user.passkey_added", {"name": passkey.name})
        await send_notice(tx, user.email, "A passkey was added to your AgentFlow account")
        await tx.refresh(passkey)
        # Else who loses the device would be shut out: the password alone no longer logs in.
        codes = [] if await codes_left(tx, user_id) else await make_codes(tx, user_id)
        return PasskeyMade(**PasskeyOut.model_validate(passkey).model_dump(), recovery_codes=codes)


async def _mine(tx: Transaction, user_id: UUID, passkey_id: UUID) -> Passkey:
    query = select(Passkey).where(col(Passkey.id) == passkey_id, col(Passkey.user_id) == user_id)
    found = (await tx.execute(query.with_for_update())).scalar_one_or_none()
    if found is None:
        raise PasskeyNotFound
    return found


async def rename(actor: Actor, passkey_id: UUID, name: str) -> PasskeyOut:
    """Raises PasskeyNotFound, also for another person's."""
    user_id = person_of(actor)
    async with database().system() as tx:
        passkey = await _mine(tx, user_id, passkey_id)
        before, passkey.name = passkey.name, name
        await note(
            tx,
            await user_of(tx, user_id),
            "user.passkey_renamed",
            {"before": {"name": before}, "after": {"name": name}},
        )
        return PasskeyOut.model_validate(passkey)


async def remove(actor: Actor, passkey_id: UUID, password: str | None) -> None:
    """Raises PasskeyNotFound, ValidationFailed, ProofNeeded or LastWayIn."""
    user_id = person_of(actor)
    await ensure_proved(actor, password)
    async with database().system() as tx:
        user = await user_of(tx, user_id, lock=True)
        passkey = await _mine(tx, user_id, passkey_id)
        await ensure_not_last(tx, user, passkey_id)
        await tx.delete(passkey)
        await renew_standing(tx, user)
        await note(tx, user, "user.passkey_removed", {"name": passkey.name})
        await send_notice(tx, user.email, "A passkey of your AgentFlow account was removed")


async def options_for(tx: Transaction, challenge: Challenge, user_id: UUID | None) -> dict[str, Any] | None:
    """For `navigator.credentials.get`: any passkey of this site, or those of one person (None: has none)."""
    import webauthn
    from webauthn.helpers import structs

    known = await _of(tx, user_id) if user_id else []
    if user_id and not known:
        return None
    options = webauthn.generate_authentication_options(
        rp_id=site(),
        challenge=challenge.nonce,
        allow_credentials=[structs.PublicKeyCredentialDescriptor(id=each.credential_id) for each in known],
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    found: dict[str, Any] = json.loads(webauthn.options_to_json(options))
    return found


async def verify(tx: Transaction, credential: dict[str, Any], nonce: bytes, user_id: UUID | None) -> UUID:
    """Whose passkey signed `nonce`. Raises PasskeyRefused; with `user_id` for another's too."""
    import webauthn
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        raw = webauthn.base64url_to_bytes(str(credential.get("rawId", "")))
    except ValueError:
        raise PasskeyRefused from None
    query = select(Passkey).where(col(Passkey.credential_id) == raw).with_for_update()
    passkey = (await tx.execute(query)).scalar_one_or_none()
    if passkey is None or (user_id is not None and passkey.user_id != user_id):
        raise PasskeyRefused
    try:
        verified = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=nonce,
            expected_rp_id=site(),
            expected_origin=_origin(),
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError):
        raise PasskeyRefused from None
    passkey.sign_count = verified.new_sign_count
    passkey.last_used_at = utcnow()
    return passkey.user_id
