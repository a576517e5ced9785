"""Sign up, log in, in two steps where there is a second factor, refresh, log out.

Works before there is a tenant, so on the system role.
"""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from agentflow_app.accounts import passkeys
from agentflow_app.accounts.challenges import Challenge, Purpose, attempt, close, open_challenge
from agentflow_app.accounts.letters import send_verification
from agentflow_app.accounts.links import issue
from agentflow_app.accounts.models import PUBLIC_USER, User
from agentflow_app.accounts.password_rules import check_password
from agentflow_app.accounts.passwords import hash_password, verify_password
from agentflow_app.accounts.schemas import (
    LogIn,
    Me,
    OrgOut,
    PasskeyAsked,
    PasskeyLogIn,
    SecondStep,
    SignedIn,
    SignUp,
    UserOut,
)
from agentflow_app.accounts.second_factor import has_totp, spend_code
from agentflow_app.accounts.sessions import (
    Identity,
    SessionExpired,
    actor_of,
    end_sessions,
    exchange_refresh,
    open_page_session,
    open_refresh,
    session_of,
)
from agentflow_app.accounts.standing import may_act
from agentflow_app.accounts.tokens import ACCESS_SECONDS, issue_access_token
from agentflow_app.accounts.trail import note
from agentflow_app.accounts.ways import held_to_sso
from agentflow_app.audit.service import record
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import Conflict, Forbidden, NotFound, Unauthenticated
from agentflow_app.core.ids import new_id
from agentflow_app.core.schemas import address_of
from agentflow_app.core.tenancy import Actor
from agentflow_app.mail.service import mail_configured
from agentflow_app.organizations.founding import found
from agentflow_app.organizations.models import Membership, Organization
from agentflow_app.sso.enforcement import enforcing_organization

Kind = Literal["token", "page"]


class EmailTaken(Conflict):
    code = "EMAIL_TAKEN"

    def __init__(self) -> None:
        super().__init__(
            "An account with this e-mail address exists; log in instead",
            details={"fields": {"email": "has an account already; log in instead"}},
        )


class WrongCredentials(Unauthenticated):
    """The same for an unknown address as for a wrong password."""

    code = "INVALID_CREDENTIALS"

    def __init__(self) -> None:
        super().__init__("The e-mail address or the password is wrong")


class SsoRequired(Forbidden):
    """They proved who they are, but this organization's members come in through its provider."""

    code = "SSO_REQUIRED"

    def __init__(self) -> None:
        super().__init__(
            "Your organization signs in through its identity provider: choose “Continue with SSO”"
        )


class NoSuchOrganization(NotFound):
    """The same for an unknown one as for one that the person does not belong to."""

    code = "ORGANIZATION_NOT_FOUND"

    def __init__(self, org_id: UUID) -> None:
        super().__init__(f"You belong to no organization {org_id}")


class ShutOut(Forbidden):
    """The password was right, and no organization of theirs lets them in."""

    code = "SHUT_OUT"

    def __init__(self) -> None:
        super().__init__(
            "Your organization does not let you in: it was suspended, or you were deactivated in it."
            " Ask its admins or whoever runs this installation"
        )


@dataclass(frozen=True, slots=True)
class Login:
    """A fresh login: what the body says, who acts, and the secret for the cookie."""

    body: SignedIn
    actor: Actor
    secret: str
    kind: Kind


class SecondFactorRequired(Unauthenticated):
    """The password was right. `browser` goes into a cookie; the rest is for the second step."""

    code = "SECOND_FACTOR_REQUIRED"

    def __init__(self, challenge: Challenge, methods: list[str], passkey: dict[str, Any] | None) -> None:
        super().__init__("Confirm that it is you with your second factor")
        self.browser = challenge.browser
        self.details = {"challenge": challenge.token, "methods": methods, "passkey": passkey}


class WrongCode(Unauthenticated):
    code = "INVALID_CODE"

    def __init__(self) -> None:
        super().__init__("That code is not right, or was used before")


def _render(user: User, org: Organization, role: str, kind: Kind, secret: str, who: Identity) -> Login:
    actor = actor_of(user, org, role, who.session_id)
    body = SignedIn(
        access_token=issue_access_token(user.id, org.id, who.session_id, who.sso_org_id),
        expires_in=ACCESS_SECONDS,
        user=UserOut.model_validate(user),
        org=OrgOut.model_validate(org),
        role=actor.role,
    )
    return Login(body, actor, secret, kind)


async def _open(
    tx: Transaction,
    user: User,
    org: Organization,
    role: str,
    kind: Kind,
    method: str,
    sso_org_id: UUID | None = None,
) -> Login:
    """The one place where a login begins; `method` says how the person proved who they are.

    `sso_org_id`: the organization whose provider vouched for them.
    """
    if method.startswith(("pass", "social")) and await held_to_sso(tx, user) is not None:
        raise SsoRequired
    who = Identity(user.id, org.id, new_id(), sso_org_id)
    secret = await (open_page_session if kind == "page" else open_refresh)(tx, who)
    login = _render(user, org, role, kind, secret, who)
    told = {"method": method, "kind": kind, "session_id": str(who.session_id)}
    record(tx, login.actor, "user.signed_in", "user", user.id, told)
    await tx.flush()
    return login


async def sign_up(data: SignUp, kind: Kind = "token") -> Login:
    """Makes the user, the organization and the owner's membership, and logs in. Raises EmailTaken."""
    check_password(data.password, data.email)
    hashed = await hash_password(data.password)
    async with database().system() as tx:
        user = await _add_user(tx, data.email, data.name, hashed)
        org = await found(tx, data.org_name, user.id)
        if mail_configured() and (secret := await issue(tx, user.id, "verify", user.email)):
            await send_verification(tx, user.email, secret)
        return await _open(tx, user, org, "owner", kind, "sign_up")


async def _home_of(tx: Transaction, user: User) -> tuple[Organization, str]:
    """The organization that the user joined first, and the role there.

    Whoever was removed from the last one gets a new one. Raises ShutOut for who still belongs somewhere.
    """
    row = (
        await tx.execute(
            select(Organization, col(Membership.role))
            .join(Membership, col(Membership.org_id) == col(Organization.id))
            .join(User, col(User.id) == col(Membership.user_id))
            .where(col(Membership.user_id) == user.id, *may_act())
            .order_by(col(Membership.created_at), col(Membership.id))
            .limit(1)
        )
    ).one_or_none()
    if row:
        return row[0], row[1]
    belongs = (
        select(col(Membership.id))
        .join(Organization, col(Organization.id) == col(Membership.org_id))
        .where(col(Membership.user_id) == user.id, col(Organization.deleted_at).is_(None))
    )
    if (await tx.execute(belongs.limit(1))).scalar_one_or_none():
        raise ShutOut
    return await found(tx, f"{user.name}'s organization"[:255], user.id), "owner"


async def log_in(data: LogIn, kind: Kind = "token") -> Login:
    """Raises WrongCredentials, in the same time whatever was wrong, or SecondFactorRequired."""
    async with database().system() as tx:
        user = (
            await tx.execute(select(User).where(col(User.email) == address_of(data.email)))
        ).scalar_one_or_none()
    usable = user.password_hash if user and user.is_active else None
    if not await verify_password(usable, data.password) or user is None:
        raise WrongCredentials
    async with database().system() as tx:
        # A reset that was quicker than the hashing must find this login, or this login its new password.
        same = (col(User.id) == user.id, col(User.password_hash) == usable, col(User.is_active))
        query = select(User).where(*same).with_for_update(read=True)
        user = (await tx.execute(query)).scalar_one_or_none()
        if user is None:
            raise WrongCredentials
        if await held_to_sso(tx, user) is not None:
            raise SsoRequired
        if user.second_factor_at is None:
            return await _open(tx, user, *await _home_of(tx, user), kind, "password")
        required = await _second_factor(tx, user, "second_factor")
    raise required


async def enter_home(user_id: UUID, provider: str) -> Login:
    """For whom a provider vouches that is open to everyone, as a page session.

    Raises SecondFactorRequired, ShutOut, and SsoRequired for all of an address's domain, owners too.
    """
    async with database().system() as tx:
        query = select(User).where(col(User.id) == user_id).with_for_update()
        user = (await tx.execute(query)).scalar_one()
        if not user.is_active:
            raise ShutOut
        if await enforcing_organization(tx, user.email) is not None:
            raise SsoRequired
        if user.second_factor_at is None:
            return await _open(tx, user, *await _home_of(tx, user), "page", f"social:{provider}")
        required = await _second_factor(tx, user, "social_factor")
    raise required


async def _second_factor(tx: Transaction, user: User, purpose: Purpose) -> SecondFactorRequired:
    """Opens the second step; to be raised once that is committed."""
    challenge = await open_challenge(tx, purpose, user.id)
    passkey = await passkeys.options_for(tx, challenge, user.id)
    codes = ["totp"] if await has_totp(tx, user.id) else []
    return SecondFactorRequired(
        challenge, [*codes, *(["passkey"] if passkey else []), "recovery_code"], passkey
    )


async def second_step(data: SecondStep, browser: str | None, kind: Kind = "token") -> Login:
    """Raises ChallengeExpired, WrongCode or PasskeyRefused."""
    answered = await attempt(data.challenge, browser, "second_factor", "social_factor")
    first = "password" if answered.purpose == "second_factor" else "social"
    login = None
    async with database().system() as tx:
        user = (await tx.execute(select(User).where(col(User.id) == answered.user_id))).scalar_one()
        proof: str | None = "passkey"
        if data.code is not None:
            proof = await spend_code(tx, user.id, data.code)
        else:
            await passkeys.verify(tx, data.credential or {}, answered.nonce, user.id)
        if proof is None:
            await note(tx, user, "user.sign_in_failed", {"method": "second_factor"})
        elif user.is_active:
            await close(tx, answered)
            login = await _open(tx, user, *await _home_of(tx, user), kind, f"{first}+{proof}")
    if login is None:
        raise WrongCode
    return login


async def begin_passkey() -> tuple[PasskeyAsked, str]:
    """What any of this site's passkeys can answer, and the secret for the browser's cookie."""
    async with database().system() as tx:
        challenge = await open_challenge(tx, "passkey", None)
        options = await passkeys.options_for(tx, challenge, None)
    return PasskeyAsked(challenge=challenge.token, options=options or {}), challenge.browser


async def log_in_with_passkey(data: PasskeyLogIn, browser: str | None, kind: Kind = "token") -> Login:
    """Both factors in one: what one has, and its PIN or finger. Raises ChallengeExpired or PasskeyRefused."""
    answered = await attempt(data.challenge, browser, "passkey")
    async with database().system() as tx:
        user_id = await passkeys.verify(tx, data.credential, answered.nonce, None)
        user = (await tx.execute(select(User).where(col(User.id) == user_id))).scalar_one()
        if not user.is_active:
            raise passkeys.PasskeyRefused
        await close(tx, answered)
        return await _open(tx, user, *await _home_of(tx, user), kind, "passkey")


async def has_account(email: str) -> bool:
    async with database().system() as tx:
        found = await tx.execute(select(col(User.id)).where(col(User.email) == email))
    return found.scalar_one_or_none() is not None


async def make_account(email: str, name: str, password: str) -> UUID:
    """A person without an organization yet. Raises EmailTaken."""
    check_password(password, email)
    hashed = await hash_password(password)
    async with database().system() as tx:
        return (await _add_user(tx, email, name, hashed)).id


async def _add_user(tx: Transaction, email: str, name: str, hashed: str) -> User:
    user = User(email=email, name=name, password_hash=hashed)
    tx.add(user)
    try:
        await tx.flush()
    except IntegrityError as error:
        raise EmailTaken from error
    return user


async def open_login(
    user_id: UUID, org_id: UUID, kind: Kind, *, method: str, sso_org_id: UUID | None = None
) -> Login:
    """For who has proved who they are, by `method`. Raises NoSuchOrganization where they may not act."""
    async with database().system() as tx:
        row = (await tx.execute(_standing(user_id, org_id))).one_or_none()
        if row is None:
            raise NoSuchOrganization(org_id)
        return await _open(tx, *row, kind, method, sso_org_id)


async def switch(actor: Actor, org_id: UUID, used: str | None) -> Login:
    """Tokens for another of the person's organizations; `used`, the refresh token held so far, ends."""
    if not actor.is_person or actor.user_id is None:
        raise Forbidden("Only a person changes between organizations; a key belongs to one")
    login = await open_login(actor.user_id, org_id, "token", method="switch", sso_org_id=actor.sso_org_id)
    await log_out(used, None)
    return login


def _standing(user_id: UUID, org_id: UUID) -> Select[User, Organization, str]:
    return (
        select(User, Organization, col(Membership.role))
        .select_from(Membership)
        .join(User, col(User.id) == col(Membership.user_id))
        .join(Organization, col(Organization.id) == col(Membership.org_id))
        .where(col(Membership.user_id) == user_id, col(Membership.org_id) == org_id, *may_act())
    )


async def refresh(secret: str | None) -> Login:
    """A new access token, and the next refresh token of its family. Raises SessionExpired."""
    async with database().system() as tx:
        found = await exchange_refresh(tx, secret) if secret else None
        row = None
        if found:
            who, _ = found
            row = (await tx.execute(_standing(who.user_id, who.org_id))).one_or_none()
        login = _render(*row, "token", found[1], found[0]) if row and found else None
    if login is None:
        raise SessionExpired("Log in again")
    return login


async def log_out(refresh_secret: str | None, page_secret: str | None) -> None:
    async with database().system() as tx:
        for secret in (refresh_secret, page_secret):
            login = await session_of(tx, secret) if secret else None
            if login is None or not await end_sessions(tx, login.user_id, only=login.session_id):
                continue
            row = (await tx.execute(_standing(login.user_id, login.org_id))).one_or_none()
            if row is not None:
                told = {"session_id": str(login.session_id)}
                record(tx, actor_of(*row), "user.signed_out", "user", login.user_id, told)
                await tx.flush()


async def me(tx: Transaction, actor: Actor) -> Me:
    query = select(User).options(PUBLIC_USER).where(col(User.id) == actor.user_id)
    user = (await tx.execute(query)).scalar_one()
    org = (await tx.execute(select(Organization).where(col(Organization.id) == actor.org_id))).scalar_one()
    return Me(
        user=UserOut.model_validate(user),
        org=OrgOut.model_validate(org),
        role=actor.role,
        permissions=sorted(actor.permissions),
    )
