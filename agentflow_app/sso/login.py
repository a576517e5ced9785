"""A sign-in through an identity provider: to it, and back in the same browser, once, within ten minutes."""

import asyncio
import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from agentflow_app.accounts.arrivals import arrive
from agentflow_app.accounts.service import Login, NoSuchOrganization, open_login
from agentflow_app.accounts.tokens import digest, new_secret
from agentflow_app.audit.service import record
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.ids import new_id
from agentflow_app.core.schemas import parse_email
from agentflow_app.core.tenancy import Actor, Role, role_of
from agentflow_app.organizations.joining import MembershipEnded, admit
from agentflow_app.sso import domains, provider, saml
from agentflow_app.sso.errors import (
    AccessEnded,
    AddressRefused,
    ConnectionNotFound,
    LoginGone,
    NoDoor,
    ProviderFault,
)
from agentflow_app.sso.models import SsoConnection, SsoIdentity, SsoLogin
from agentflow_app.sso.schemas import HomeRealm
from agentflow_app.sso.service import client_of, redirect_uri

LIFETIME = timedelta(minutes=10)
RANKED: tuple[Role, ...] = ("admin", "editor", "viewer")
_OWN_PATH = re.compile(r"/(?![/\\])[^\x00-\x20\\]*")


@dataclass(frozen=True, slots=True)
class Begun:
    """`url` is the provider's; `browser` goes into a cookie. `posted`: another site posts the answer here."""

    url: str
    browser: str
    posted: bool = False


@dataclass(frozen=True, slots=True)
class Spent:
    """A sign-in that came back: of a connection, or of a `provider` that is open to everyone.

    With `session_id` it was to prove that the session's person is `user_id`.
    """

    connection: SsoConnection | None
    provider: str | None
    destination: str
    began_at: datetime
    session_id: UUID | None
    user_id: UUID | None


def own_path(text: str | None) -> str:
    """Where to go after the login: a path of our own, or the start."""
    return text if text and len(text) <= 500 and _OWN_PATH.fullmatch(text) else "/"


def derived(browser: str, purpose: str) -> str:
    """Nonce, PKCE verifier, a SAML request's id: from the browser's secret, so that no other has one."""
    hashed = hashlib.sha256(f"{purpose}:{browser}".encode()).digest()
    return base64.urlsafe_b64encode(hashed).decode().rstrip("=")


def code_challenge(browser: str) -> str:
    hashed = hashlib.sha256(derived(browser, "verifier").encode()).digest()
    return base64.urlsafe_b64encode(hashed).decode().rstrip("=")


async def keep(
    destination: str | None,
    *,
    connection_id: UUID | None = None,
    provider: str | None = None,
    session_id: UUID | None = None,
    user_id: UUID | None = None,
) -> tuple[str, str]:
    """A sign-in, or a proof for a session, sets out: its state, and the secret of the browser."""
    state, browser = new_secret(), new_secret()
    async with database().system() as tx:
        tx.add(
            SsoLogin(
                connection_id=connection_id,
                provider=provider,
                session_id=session_id,
                user_id=user_id,
                state_hash=digest(state),
                browser_hash=digest(browser),
                destination=own_path(destination),
                expires_at=utcnow() + LIFETIME,
            )
        )
    return state, browser


async def begin(email: str | None, connection_id: UUID | None, destination: str | None) -> Begun:
    """Raises NoDoor or ProviderFault."""
    async with database().system() as tx:
        if connection_id is not None:
            row = await connection_in_use(tx, connection_id)
        else:
            row = await domains.owner_of(tx, domains.domain_of(email or ""))
    if row is None:
        raise NoDoor
    if row.protocol == "saml":
        return await _begin_saml(row, destination)
    client = await client_of(row)
    found = await provider.discover(client.issuer)
    state, browser = await keep(destination, connection_id=row.id)
    more = {"login_hint": email} if email and parse_email(email) else {}
    url = provider.authorization_url(
        found,
        client,
        redirect_uri=redirect_uri(),
        state=state,
        nonce=derived(browser, "nonce"),
        code_challenge=code_challenge(browser),
        **more,
    )
    return Begun(url, browser)


async def _begin_saml(row: SsoConnection, destination: str | None) -> Begun:
    if not row.sso_url:
        raise NoDoor
    saml.require_usable_here()
    state, browser = await keep(destination, connection_id=row.id)
    return Begun(saml.request_url(row, request_id=request_id(browser), state=state), browser, posted=True)


def request_id(browser: str) -> str:
    """Of the request to a SAML provider."""
    return f"_{derived(browser, 'request')}"


async def require_saml(connection_id: UUID) -> None:
    """Raises ConnectionNotFound where it is no SAML connection."""
    query = select(col(SsoConnection.id)).where(
        col(SsoConnection.id) == connection_id, col(SsoConnection.protocol) == "saml"
    )
    async with database().system() as tx:
        if (await tx.execute(query)).scalar_one_or_none() is None:
            raise ConnectionNotFound


async def home_realm(domain: str) -> HomeRealm:
    """What a login page offers to addresses of the domain."""
    async with database().system() as tx:
        row = await domains.owner_of(tx, domain.strip().lower())
    if row is None or (row.protocol == "saml" and not row.sso_url):
        return HomeRealm(name=None, enforced=False)
    return HomeRealm(name=row.name, enforced=row.enforced)


async def finish(row: SsoConnection, answer: Mapping[str, str], browser: str) -> Login:
    """`answer` is the query or the form that the provider sent. Raises an AppError of `sso.errors`."""
    try:
        return await _enter(row, answer, browser)
    except (ProviderFault, AddressRefused) as error:
        await _note_refusal(row, error.reason)
        raise
    except (MembershipEnded, NoSuchOrganization) as error:
        await _note_refusal(row, "the membership has ended")
        raise AccessEnded from error


async def spend(state: str, browser: str | None) -> Spent:
    """What the browser set out for, once. Raises LoginGone."""
    gone = (
        delete(SsoLogin)
        .where(
            col(SsoLogin.state_hash) == digest(state),
            col(SsoLogin.browser_hash) == digest(browser or ""),
            col(SsoLogin.expires_at) > func.now(),
        )
        .returning(
            col(SsoLogin.connection_id),
            col(SsoLogin.provider),
            col(SsoLogin.destination),
            col(SsoLogin.created_at),
            col(SsoLogin.session_id),
            col(SsoLogin.user_id),
        )
    )
    async with database().system() as tx:
        found = (await tx.execute(gone)).one_or_none()
        row = None
        if found is not None and found[0] is not None:
            row = await connection_in_use(tx, found[0])
    if found is None or (row is None and found[1] is None):
        raise LoginGone
    return Spent(row, *found[1:])


async def connection_in_use(tx: Transaction, connection_id: UUID) -> SsoConnection | None:
    """On the system role."""
    query = select(SsoConnection).where(col(SsoConnection.id) == connection_id, col(SsoConnection.active))
    return (await tx.execute(query)).scalar_one_or_none()


async def identified(
    row: SsoConnection, answer: Mapping[str, str], browser: str, wanted: set[str]
) -> dict[str, Any]:
    """The claims about who came back. Raises ProviderFault or ProviderRefused."""
    if row.protocol == "saml":
        response = answer.get("SAMLResponse", "")
        return await asyncio.to_thread(saml.identify, row, response, request_id(browser))
    return await provider.identify(
        await client_of(row),
        answer,
        verifier=derived(browser, "verifier"),
        nonce=derived(browser, "nonce"),
        redirect_uri=redirect_uri(),
        wanted=wanted,
    )


async def _enter(row: SsoConnection, answer: Mapping[str, str], browser: str) -> Login:
    wanted = {"email", *([row.role_claim] if row.role_claim else [])}
    claims = await identified(row, answer, browser, wanted)
    user_id = await _person(row, claims)
    await admit(user_id, row.org_id, _role(row, claims), mapped=row.role_claim is not None)
    return await open_login(user_id, row.org_id, "page", method="sso", sso_org_id=row.org_id)


def _role(row: SsoConnection, claims: Mapping[str, Any]) -> Role:
    """The highest that the claim's values stand for, else the connection's default."""
    given = claims.get(row.role_claim) if row.role_claim else None
    values = {each for each in (given if isinstance(given, list) else [given]) if isinstance(each, str)}
    meant = {role for value, role in row.role_mapping.items() if value in values}
    return next((role for role in RANKED if role in meant), role_of(row.default_role))


async def _person(row: SsoConnection, claims: Mapping[str, Any]) -> UUID:
    """Who the subject is: known from before, or by an address that the connection answers for."""
    email = parse_email(claims.get("email"))
    if email is None:
        raise AddressRefused("the provider sent no e-mail address")
    verified = claims.get("email_verified")
    if verified is not True and (verified is not None or not row.trust_email):
        raise AddressRefused("the provider does not say that the address is verified")
    async with database().system() as tx:
        if not await domains.answers_for(tx, row.id, domains.domain_of(email)):
            raise AddressRefused(f"{domains.domain_of(email)} is not a verified domain of this connection")
        known = await person_known(tx, row, claims["sub"])
        if known is not None:
            return known
        user_id = await arrive(tx, email, name_of(claims.get("name"), email), row.org_id)
        made = insert(SsoIdentity).values(
            id=new_id(),
            org_id=row.org_id,
            connection_id=row.id,
            user_id=user_id,
            subject=claims["sub"],
        )
        await tx.execute(made.on_conflict_do_nothing())
        known = await person_known(tx, row, claims["sub"])
        if known is None:
            raise AddressRefused("the subject cannot be kept")
        return known


def name_of(told: object, email: str) -> str:
    name = told.strip()[:255] if isinstance(told, str) and "\x00" not in told else ""
    return name or email.partition("@")[0]


async def person_known(tx: Transaction, row: SsoConnection, subject: str) -> UUID | None:
    query = select(col(SsoIdentity.user_id)).where(
        col(SsoIdentity.connection_id) == row.id, col(SsoIdentity.subject) == subject
    )
    return (await tx.execute(query)).scalar_one_or_none()


async def _note_refusal(row: SsoConnection, reason: str) -> None:
    actor = Actor.trigger(row.org_id)
    async with database().transaction(actor) as tx:
        action = "sso_connection.sign_in_refused"
        record(tx, actor, action, "sso_connection", row.id, {"reason": reason[:300]})


async def sweep_sso() -> None:
    async with database().system() as tx:
        await tx.execute(delete(SsoLogin).where(col(SsoLogin.expires_at) < func.now()))
