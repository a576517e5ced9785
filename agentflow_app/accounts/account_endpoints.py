"""/auth: a person's own account: profile, password, sessions, second factor, passkeys."""

from uuid import UUID

from fastapi import APIRouter, Response

from agentflow_app.accounts import active, identities, passkeys, profile, proving, recovery, second_factor
from agentflow_app.accounts.routes import AccountRoute, CurrentActor
from agentflow_app.accounts.schemas import (
    Confirmed,
    Disable,
    EmailChange,
    Enrolment,
    IdentityOut,
    NewPasskey,
    PasskeyAsked,
    PasskeyMade,
    PasskeyOut,
    PasskeyRename,
    PasswordChange,
    Profile,
    ProfileChange,
    ProofGiven,
    ProofOut,
    RecoveryCodes,
    SecondFactorOut,
    SessionOut,
    TotpConfirm,
)
from agentflow_app.core.pagination import Page

router = APIRouter(prefix="/auth", tags=["account"], route_class=AccountRoute)


@router.get("/profile")
async def get_profile(actor: CurrentActor) -> Profile:
    return await profile.read_profile(actor)


@router.put("/profile")
async def change_profile(data: ProfileChange, actor: CurrentActor) -> Profile:
    return await profile.change_profile(actor, data)


@router.post("/email", status_code=202)
async def change_email(data: EmailChange, actor: CurrentActor) -> None:
    """The new address counts once the link sent there was followed."""
    await profile.ask_for_address(actor, data)


@router.post("/verify/send", status_code=202)
async def send_verification(actor: CurrentActor) -> None:
    await profile.ask_for_verification(actor)


@router.post("/password", status_code=204)
async def change_password(data: PasswordChange, actor: CurrentActor) -> None:
    """Every other session ends."""
    await recovery.change_password(actor, data)


@router.get("/sessions")
async def list_sessions(actor: CurrentActor) -> Page[SessionOut]:
    return Page(data=await active.list_sessions(actor))


@router.delete("/sessions/{session_id}", status_code=204)
async def end_session(session_id: UUID, actor: CurrentActor) -> None:
    await active.end_session(actor, session_id)


@router.post("/logout-everywhere", status_code=204)
async def log_out_everywhere(actor: CurrentActor) -> None:
    """This session ends too."""
    await active.end_everything(actor)


@router.get("/proof")
async def show_proof(actor: CurrentActor) -> ProofOut:
    """Whether this session is believed to be its person's, and what they can prove it with."""
    return await proving.look(actor)


@router.post("/proof")
async def prove(data: ProofGiven, actor: CurrentActor) -> ProofOut:
    """For this session and a few minutes; calls that want a password then do without."""
    return await proving.prove(actor, data)


@router.post("/proof/passkey")
async def begin_passkey_proof(actor: CurrentActor) -> PasskeyAsked:
    return await proving.begin_passkey(actor)


@router.get("/identities")
async def list_identities(actor: CurrentActor) -> Page[IdentityOut]:
    """The providers that know this person."""
    return Page(data=await identities.list_identities(actor))


@router.delete("/identities/{identity_id}", status_code=204)
async def unlink_identity(identity_id: UUID, actor: CurrentActor) -> None:
    """Needs a proof. Never the last way in."""
    await identities.unlink(actor, identity_id)


@router.get("/second-factor")
async def show_second_factor(actor: CurrentActor) -> SecondFactorOut:
    return await second_factor.show(actor)


@router.post("/second-factor/totp")
async def begin_totp(data: Confirmed, actor: CurrentActor) -> Enrolment:
    return await second_factor.begin(actor, data.password)


@router.post("/second-factor/totp/confirm")
async def confirm_totp(data: TotpConfirm, actor: CurrentActor) -> RecoveryCodes:
    return await second_factor.confirm(actor, data.code)


@router.post("/second-factor/totp/disable", status_code=204)
async def disable_totp(data: Disable, actor: CurrentActor) -> None:
    await second_factor.disable(actor, data)


@router.post("/second-factor/recovery-codes")
async def new_recovery_codes(data: Confirmed, actor: CurrentActor) -> RecoveryCodes:
    return await second_factor.new_recovery_codes(actor, data.password)


@router.get("/passkeys")
async def list_passkeys(actor: CurrentActor) -> Page[PasskeyOut]:
    return Page(data=await passkeys.list_passkeys(actor))


@router.post("/passkeys/begin")
async def begin_passkey(data: Confirmed, actor: CurrentActor) -> PasskeyAsked:
    return await passkeys.begin_registration(actor, data.password)


@router.post("/passkeys", status_code=201)
async def add_passkey(data: NewPasskey, actor: CurrentActor, response: Response) -> PasskeyMade:
    made = await passkeys.finish_registration(actor, data)
    response.headers["Location"] = f"/api/v1/auth/passkeys/{made.id}"
    return made


@router.put("/passkeys/{passkey_id}")
async def rename_passkey(passkey_id: UUID, data: PasskeyRename, actor: CurrentActor) -> PasskeyOut:
    return await passkeys.rename(actor, passkey_id, data.name)


@router.delete("/passkeys/{passkey_id}", status_code=204)
async def remove_passkey(passkey_id: UUID, data: Confirmed, actor: CurrentActor) -> None:
    await passkeys.remove(actor, passkey_id, data.password)
