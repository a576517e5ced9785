"""A fresh sign-in at a provider that knows the person: it lets nobody in, and proves that it is them."""

import logging
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from agentflow_app.accounts.proving import keep_of_provider, session_of
from agentflow_app.accounts.schemas import ProofThere
from agentflow_app.core.database import database
from agentflow_app.core.tenancy import Actor
from agentflow_app.sso import github, login, provider, saml, social
from agentflow_app.sso.clients import clients
from agentflow_app.sso.errors import NoDoor, NotFresh, ProviderFault, SomebodyElse
from agentflow_app.sso.identities import Identity, identities_of
from agentflow_app.sso.login import Begun, Spent, code_challenge, derived
from agentflow_app.sso.provider import LEEWAY_SECONDS
from agentflow_app.sso.service import client_of, redirect_uri

logger = logging.getLogger(__name__)


async def begin(actor: Actor, data: ProofThere) -> Begun:
    """Raises NoSession, ProviderFault, or NoDoor for a provider that does not know the person."""
    session_id = session_of(actor)
    assert actor.user_id is not None
    async with database().system() as tx:
        held = await identities_of(tx, actor.user_id)
        if not any(each.usable and _is_meant(each, data) for each in held):
            raise NoDoor
        row = await login.connection_in_use(tx, data.connection_id) if data.connection_id else None
    name = data.provider
    keep = partial(
        login.keep, data.next, connection_id=data.connection_id, session_id=session_id, user_id=actor.user_id
    )
    if row is not None and row.protocol == "saml":
        saml.require_usable_here()
        state, browser = await keep()
        wanted = login.request_id(browser)
        return Begun(saml.request_url(row, request_id=wanted, state=state, fresh=True), browser, posted=True)
    client = await client_of(row) if row else clients()[name or ""]
    found = {} if name == "github" else await provider.discover(client.issuer)
    state, browser = await keep(provider=name)
    way = {"redirect_uri": redirect_uri(), "state": state, "code_challenge": code_challenge(browser)}
    if name == "github":
        return Begun(github.authorization_url(client, prompt="select_account", **way), browser)
    # Google knows neither prompt=login nor max_age: that it asks at all is as much as it offers.
    fresh = {"prompt": "consent"} if name else {"prompt": "login", "max_age": "0"}
    nonce = derived(browser, "nonce")
    return Begun(provider.authorization_url(found, client, nonce=nonce, **way, **fresh), browser)


def _is_meant(held: Identity, data: ProofThere) -> bool:
    if data.connection_id is not None:
        return held.connection_id == data.connection_id
    return held.kind == data.provider


async def finish(spent: Spent, answer: Mapping[str, str], browser: str) -> None:
    """`answer` is the query or the form that the provider sent, to the browser that set out.

    Raises ProviderRefused, ProviderFault, NotFresh or SomebodyElse.
    """
    assert spent.session_id is not None
    assert spent.user_id is not None
    try:
        known, kind = await _seen(spent, answer, browser)
    except ProviderFault as error:
        logger.warning("A proof by a provider failed: %s", error.reason)
        raise
    if known != spent.user_id:
        raise SomebodyElse
    await keep_of_provider(spent.user_id, spent.session_id, kind)


async def _seen(spent: Spent, answer: Mapping[str, str], browser: str) -> tuple[UUID | None, str]:
    """Who signed in there just now, and where."""
    if spent.connection is not None:
        claims = await login.identified(spent.connection, answer, browser, set())
        _ensure_fresh(claims, spent.began_at)
        async with database().system() as tx:
            return await login.person_known(tx, spent.connection, claims["sub"]), "sso"
    name = spent.provider or ""
    client = social.client_named(name)
    claims = await social.claims_of(name, client, answer, browser)
    async with database().system() as tx:
        return await social.person_known(tx, client.issuer, claims["sub"]), name


def _ensure_fresh(claims: Mapping[str, Any], began_at: datetime) -> None:
    at = claims.get("auth_time")
    if not isinstance(at, int | float) or at < began_at.timestamp() - LEEWAY_SECONDS:
        raise NotFresh
