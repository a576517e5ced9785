"""Signing in with Google or GitHub, where the operator has set a client up: open to everyone.

State, nonce, PKCE and cookie are those of an organization's own provider; see `sso.login`.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from agentflow_app.accounts.arrivals import settle
from agentflow_app.accounts.service import Login, SsoRequired, enter_home
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.ids import new_id
from agentflow_app.core.schemas import parse_email
from agentflow_app.sso import github, provider
from agentflow_app.sso.clients import clients
from agentflow_app.sso.enforcement import enforcing_organization
from agentflow_app.sso.errors import NoDoor, ProviderFault, SocialAddressRefused
from agentflow_app.sso.login import Begun, code_challenge, derived, keep, name_of
from agentflow_app.sso.models import SocialIdentity
from agentflow_app.sso.provider import Client
from agentflow_app.sso.service import redirect_uri

logger = logging.getLogger(__name__)
Provider = Literal["google", "github"]


@dataclass(frozen=True, slots=True)
class Entered:
    """`newcomer`: the account was made just now, and its organization with it."""

    login: Login
    newcomer: bool


@dataclass(frozen=True, slots=True)
class Linked:
    """That a provider knows a person as `subject`."""

    issuer: str
    subject: str
    created_at: datetime


def client_named(name: str) -> Client:
    client = clients().get(name)
    if client is None:
        raise NoDoor
    return client


async def begin(name: Provider, destination: str | None) -> Begun:
    """Raises NoDoor or ProviderFault."""
    client = client_named(name)
    found = await provider.discover(client.issuer) if name == "google" else {}
    state, browser = await keep(destination, provider=name)
    way = {"redirect_uri": redirect_uri(), "state": state, "code_challenge": code_challenge(browser)}
    if name == "github":
        return Begun(github.authorization_url(client, **way), browser)
    url = provider.authorization_url(found, client, nonce=derived(browser, "nonce"), **way)
    return Begun(url, browser)


async def finish(name: str, answer: Mapping[str, str], browser: str) -> Entered:
    """`answer` is the query that the provider sent, to the browser that set out.

    Raises an AppError: of `sso.errors`, SecondFactorRequired, SsoRequired, AddressUnproved or ShutOut.
    """
    client = client_named(name)
    try:
        claims = await claims_of(name, client, answer, browser)
    except ProviderFault as error:
        logger.warning("A sign-in with %s failed: %s", name, error.reason)
        raise
    async with database().system() as tx:
        user_id, newcomer = await _person(tx, name, client.issuer, claims)
    return Entered(await enter_home(user_id, name), newcomer)


async def claims_of(name: str, client: Client, answer: Mapping[str, str], browser: str) -> dict[str, Any]:
    verifier = derived(browser, "verifier")
    if name == "github":
        return await github.identify(client, answer, verifier=verifier, redirect_uri=redirect_uri())
    return await provider.identify(
        client,
        answer,
        verifier=verifier,
        nonce=derived(browser, "nonce"),
        redirect_uri=redirect_uri(),
        wanted={"email"},
    )


async def _person(tx: Transaction, name: str, issuer: str, claims: Mapping[str, Any]) -> tuple[UUID, bool]:
    """Who the subject is: known from before, or by an address that was proved there and here, or new."""
    known = await person_known(tx, issuer, claims["sub"])
    if known is not None:
        return known, False
    email = parse_email(claims.get("email"))
    if email is None or claims.get("email_verified") is not True:
        raise SocialAddressRefused
    if await enforcing_organization(tx, email) is not None:
        raise SsoRequired
    user_id, newcomer = await settle(tx, email, name_of(claims.get("name"), email), name)
    made = insert(SocialIdentity).values(id=new_id(), user_id=user_id, issuer=issuer, subject=claims["sub"])
    await tx.execute(made.on_conflict_do_nothing())
    known = await person_known(tx, issuer, claims["sub"])
    assert known is not None
    return known, newcomer


async def person_known(tx: Transaction, issuer: str, subject: str) -> UUID | None:
    query = select(col(SocialIdentity.user_id)).where(
        col(SocialIdentity.issuer) == issuer, col(SocialIdentity.subject) == subject
    )
    return (await tx.execute(query)).scalar_one_or_none()


async def linked(user_id: UUID) -> list[Linked]:
    """What is kept about a person here."""
    query = select(
        col(SocialIdentity.issuer), col(SocialIdentity.subject), col(SocialIdentity.created_at)
    ).where(col(SocialIdentity.user_id) == user_id)
    async with database().system() as tx:
        return [Linked(*row) for row in await tx.execute(query.order_by(col(SocialIdentity.id)))]
