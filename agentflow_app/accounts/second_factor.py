"""The second factor by an authenticator app (TOTP, RFC 6238), and the codes for when it is lost."""

import base64
import hmac
import io
import re
import secrets
from datetime import datetime, timedelta
from uuid import UUID

import pyotp
import segno
from sqlalchemy import delete, func, select
from sqlmodel import col

from agentflow_app.accounts.active import person_of, user_of
from agentflow_app.accounts.letters import send_notice
from agentflow_app.accounts.models import Passkey, RecoveryCode, TotpFactor, User
from agentflow_app.accounts.proof import ensure_proved
from agentflow_app.accounts.schemas import Disable, Enrolment, RecoveryCodes, SecondFactorOut
from agentflow_app.accounts.sessions import end_sessions
from agentflow_app.accounts.tokens import digest
from agentflow_app.accounts.trail import note
from agentflow_app.core.clock import utcnow
from agentflow_app.core.crypto import cell, seal, unseal
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import Conflict, ValidationFailed
from agentflow_app.core.ids import new_id
from agentflow_app.core.tenancy import Actor

STEP_SECONDS = 30
WINDOW = 1
"""Steps that a clock may be off, either way."""
RECOVERY_CODES = 10
FAILURES = 10
PAUSE = timedelta(minutes=15)
"""After so many wrong codes in a row the app's codes are not looked at for a while; recovery codes are."""
_DIGITS = re.compile(r"[0-9]{6}")


class AlreadyOn(Conflict):
    code = "SECOND_FACTOR_ON"

    def __init__(self) -> None:
        super().__init__("An authenticator app is set up already; turn it off first")


class NotBegun(Conflict):
    code = "SECOND_FACTOR_NOT_BEGUN"

    def __init__(self) -> None:
        super().__init__("There is no set-up to confirm; begin it again")


class NotOn(Conflict):
    code = "SECOND_FACTOR_OFF"

    def __init__(self) -> None:
        super().__init__("No authenticator app is set up")


async def show(actor: Actor) -> SecondFactorOut:
    user_id = person_of(actor)
    async with database().system() as tx:
        factor = await _factor(tx, user_id)
        return SecondFactorOut(
            totp_since=factor.confirmed_at if factor else None,
            recovery_codes_left=await codes_left(tx, user_id),
        )


async def _factor(tx: Transaction, user_id: UUID, *, lock: bool = False) -> TotpFactor | None:
    query = select(TotpFactor).where(col(TotpFactor.user_id) == user_id)
    return (await tx.execute(query.with_for_update() if lock else query)).scalar_one_or_none()


async def begin(actor: Actor, password: str | None) -> Enrolment:
    """A new secret, not asked for before it is confirmed.

    Raises ValidationFailed, ProofNeeded or AlreadyOn.
    """
    user_id = person_of(actor)
    await ensure_proved(actor, password)
    secret = pyotp.random_base32()
    async with database().system() as tx:
        user = await user_of(tx, user_id, lock=True)
        before = await _factor(tx, user_id)
        if before is not None and before.confirmed_at is not None:
            raise AlreadyOn
        await tx.execute(delete(TotpFactor).where(col(TotpFactor.user_id) == user_id))
        factor_id = new_id()
        sealed = await seal(secret.encode(), cell("totp_factors", "secret", factor_id))
        tx.add(TotpFactor(id=factor_id, user_id=user_id, secret=sealed))
        await tx.flush()
        address = pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name="AgentFlow")
    return Enrolment(secret=secret, uri=address, qr_svg=_drawn(address))


def _drawn(address: str) -> str:
    """The QR code as an SVG element, dark on light in either theme, for scanners."""
    out = io.BytesIO()
    segno.make(address, error="m").save(
        out,
        kind="svg",
        scale=4,
        border=4,
        dark="#000",
        light="#fff",
        xmldecl=False,
        svgns=True,
        omitsize=True,
    )
    return out.getvalue().decode()


async def confirm(actor: Actor, code: str) -> RecoveryCodes:
    """Turns it on, gives the recovery codes, once, ends other sessions. Raises ValidationFailed, NotBegun."""
    user_id = person_of(actor)
    wrong = True
    codes: list[str] = []
    async with database().system() as tx:
        user = await user_of(tx, user_id, lock=True)
        factor = await _factor(tx, user_id, lock=True)
        if factor is None or factor.confirmed_at is not None:
            raise NotBegun
        wrong = not await _spend_totp(factor, _plain(code))
        if not wrong:
            factor.confirmed_at = utcnow()
            codes = await make_codes(tx, user_id)
            await renew_standing(tx, user)
            ended = await end_sessions(tx, user_id, but=actor.session_id)
            await note(tx, user, "user.second_factor_on", {"kind": "totp", "sessions_ended": ended})
            await send_notice(tx, user.email, "An authenticator app was set up for your AgentFlow account")
    if wrong:
        raise ValidationFailed(fields={"code": "is not right; look at the app's clock and the newest code"})
    return RecoveryCodes(codes=codes)


async def new_recovery_codes(actor: Actor, password: str | None) -> RecoveryCodes:
    """Those before it are worth nothing any more. Raises ValidationFailed, ProofNeeded or NotOn."""
    user_id = person_of(actor)
    await ensure_proved(actor, password)
    async with database().system() as tx:
        user = await user_of(tx, user_id, lock=True)
        if user.second_factor_at is None:
            raise NotOn
        codes = await make_codes(tx, user_id)
        await note(tx, user, "user.recovery_codes_renewed")
    return RecoveryCodes(codes=codes)


async def codes_left(tx: Transaction, user_id: UUID) -> int:
    left = select(func.count()).select_from(RecoveryCode).where(col(RecoveryCode.user_id) == user_id)
    return (await tx.execute(left)).scalar_one()


async def make_codes(tx: Transaction, user_id: UUID) -> list[str]:
    """New ones in the place of all before them."""
    await tx.execute(delete(RecoveryCode).where(col(RecoveryCode.user_id) == user_id))
    codes = [base64.b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(RECOVERY_CODES)]
    tx.add_all([RecoveryCode(user_id=user_id, code_hash=digest(code)) for code in codes])
    await tx.flush()
    return ["-".join(code[at : at + 4] for at in range(0, 16, 4)) for code in codes]


async def disable(actor: Actor, data: Disable) -> None:
    """Needs the password (or a proof) and a code of either kind.

    Raises ValidationFailed, ProofNeeded or NotOn.
    """
    user_id = person_of(actor)
    await ensure_proved(actor, data.password)
    wrong = True
    async with database().system() as tx:
        user = await user_of(tx, user_id, lock=True)
        factor = await _factor(tx, user_id)
        if factor is None or factor.confirmed_at is None:
            raise NotOn
        wrong = await spend_code(tx, user_id, data.code) is None
        if not wrong:
            await tx.execute(delete(TotpFactor).where(col(TotpFactor.user_id) == user_id))
            await renew_standing(tx, user)
            await note(tx, user, "user.second_factor_off", {"kind": "totp"})
            await send_notice(
                tx, user.email, "The authenticator app of your AgentFlow account was turned off"
            )
    if wrong:
        raise ValidationFailed(fields={"code": "is not right"})


async def renew_standing(tx: Transaction, user: User) -> None:
    """Writes down whether there is a second factor now; without any, recovery codes are for nothing."""
    await tx.flush()
    confirmed = select(col(TotpFactor.confirmed_at)).where(
        col(TotpFactor.user_id) == user.id, col(TotpFactor.confirmed_at).is_not(None)
    )
    passkeys = select(col(Passkey.created_at)).where(col(Passkey.user_id) == user.id)
    since: list[datetime | None] = list((await tx.execute(confirmed.union_all(passkeys))).scalars())
    user.second_factor_at = min((moment for moment in since if moment), default=None)
    if not since:
        await tx.execute(delete(RecoveryCode).where(col(RecoveryCode.user_id) == user.id))
    await tx.flush()


async def has_totp(tx: Transaction, user_id: UUID) -> bool:
    factor = await _factor(tx, user_id)
    return factor is not None and factor.confirmed_at is not None


async def spend_code(tx: Transaction, user_id: UUID, code: str) -> str | None:
    """The kind of code that it was, used up now; None for a wrong one, which the caller commits too."""
    plain = _plain(code)
    if not _DIGITS.fullmatch(plain):
        spent = delete(RecoveryCode).where(
            col(RecoveryCode.user_id) == user_id, col(RecoveryCode.code_hash) == digest(plain)
        )
        found = (await tx.execute(spent.returning(col(RecoveryCode.id)))).one_or_none()
        return "recovery_code" if found else None
    return "totp" if await spend_totp(tx, user_id, plain) else None


async def spend_totp(tx: Transaction, user_id: UUID, code: str) -> bool:
    """Whether it is the app's code, used up now; a wrong one is counted, so the caller commits too."""
    factor = await _factor(tx, user_id, lock=True)
    if factor is None or factor.confirmed_at is None:
        return False
    return await _spend_totp(factor, _plain(code))


async def _spend_totp(factor: TotpFactor, code: str) -> bool:
    """Whether it is the code of a step near now that is later than the last one used."""
    now = utcnow()
    if factor.paused_until is not None and factor.paused_until > now:
        return False
    secret = (await unseal(factor.secret, cell("totp_factors", "secret", factor.id))).decode()
    current = int(now.timestamp()) // STEP_SECONDS
    generator = pyotp.TOTP(secret, interval=STEP_SECONDS)
    right = [
        step
        for step in range(current - WINDOW, current + WINDOW + 1)
        if hmac.compare_digest(generator.at(step * STEP_SECONDS), code) and step > factor.last_step
    ]
    if right:
        factor.last_step, factor.failures, factor.paused_until = right[0], 0, None
        return True
    factor.failures += 1
    if factor.failures >= FAILURES:
        factor.failures, factor.paused_until = 0, now + PAUSE
    return False


def _plain(code: str) -> str:
    return "".join(each for each in code if each.isascii() and each.isalnum()).lower()
