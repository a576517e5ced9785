"""GitHub, which speaks OAuth 2 and no OpenID Connect: who came back is asked of its API."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from agentflow_app.sso.errors import ProviderFault, ProviderRefused
from agentflow_app.sso.provider import Client, ask, exchange


def _api(home: str) -> str:
    """An Enterprise server has its API below its own name, GitHub and its data residences beside it."""
    host = urlsplit(home).hostname or ""
    return f"https://api.{host}" if host == "github.com" or host.endswith(".ghe.com") else f"{home}/api/v3"


def authorization_url(
    client: Client, *, redirect_uri: str, state: str, code_challenge: str, **more: str
) -> str:
    asked = {
        "client_id": client.client_id,
        "redirect_uri": redirect_uri,
        "scope": "read:user user:email",
        "state": state,
        "code_challenge": code_challenge,
        "code_challenge_method": "S256",
        **more,
    }
    return str(httpx.URL(f"{client.issuer}/login/oauth/authorize").copy_merge_params(asked))


async def identify(
    client: Client, answer: Mapping[str, str], *, verifier: str, redirect_uri: str
) -> dict[str, Any]:
    """`sub`, `name` and, where there is a primary and verified one, `email`: claims as OpenID's.

    Raises ProviderFault or ProviderRefused.
    """
    if "error" in answer or not answer.get("code"):
        raise ProviderRefused
    tokens = await exchange(
        f"{client.issuer}/login/oauth/access_token",
        client,
        answer["code"],
        verifier=verifier,
        redirect_uri=redirect_uri,
        by_post=True,
    )
    headers = {
        "Authorization": f"Bearer {tokens.get('access_token')}",
        "Accept": "application/vnd.github+json",
        "User-Agent": "AgentFlow",
    }
    person = await ask(f"{_api(client.issuer)}/user", "GitHub's API", headers)
    number = person.get("id") if isinstance(person, dict) else None
    if type(number) is not int:
        raise ProviderFault("GitHub does not say who it is")
    claims = {"sub": str(number), "name": person.get("name") or person.get("login")}
    emails = await ask(f"{_api(client.issuer)}/user/emails", "GitHub's API", headers)
    for each in emails if isinstance(emails, list) else []:
        if isinstance(each, dict) and each.get("primary") is True and each.get("verified") is True:
            claims |= {"email": each.get("email"), "email_verified": True}
    return claims
