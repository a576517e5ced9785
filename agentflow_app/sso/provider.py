"""The other side: an OpenID Connect provider, found, asked and believed only as far as its signature goes."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import httpx2
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from agentflow_app.core.serialization import loads
from agentflow_app.core.settings import settings
from agentflow_app.sso.errors import ProviderFault, ProviderRefused
from agentflow_app.sso.schemas import reachable
from engine.egress import GuardedEgress
from engine.errors import EngineError

ALGORITHMS = [f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512)]
"""Asymmetric ones only: never `none`, and never a secret that both sides know."""
SECONDS = 8.0
MAX_BYTES = 1 << 20
KEPT_SECONDS = 600.0
KEPT = 500
LEEWAY_SECONDS = 30
_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_kept: dict[str, tuple[float, dict[str, Any]]] = {}


@dataclass(frozen=True, slots=True)
class Client:
    """What a connection tells the provider. Its secret is open here: keep it in no variable for long."""

    issuer: str
    client_id: str
    secret: str


@asynccontextmanager
async def _way_out() -> AsyncIterator[GuardedEgress]:
    """Raises ProviderFault for whatever goes wrong on the way."""
    egress = GuardedEgress(
        settings().allowed_private_hosts, max_response_bytes=MAX_BYTES, timeout_seconds=SECONDS
    )
    try:
        yield egress
    except EngineError as error:
        raise ProviderFault(error.message) from None
    except (httpx.InvalidURL, httpx2.InvalidURL):
        raise ProviderFault("an address of the provider is not valid") from None
    except (httpx.HTTPError, httpx2.HTTPError, TimeoutError) as error:
        raise ProviderFault(f"the provider cannot be reached: {type(error).__name__}") from None
    finally:
        await egress.aclose()


async def ask(url: str, what: str, headers: Mapping[str, str] | None = None) -> Any:
    """The JSON there. Raises ProviderFault."""
    async with _way_out() as egress, egress.http() as client:
        answer = await client.get(url, headers=dict(headers or {}), follow_redirects=False)
    if answer.status_code != 200:
        raise ProviderFault(f"{what} answers {answer.status_code} at {url}")
    try:
        return loads(answer.content)
    except ValueError:
        raise ProviderFault(f"{what} is no JSON at {url}") from None


async def _json(url: str, what: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    found = await ask(url, what, headers)
    if not isinstance(found, dict):
        raise ProviderFault(f"{what} is no JSON object at {url}")
    return found


async def _remembered(url: str, what: str, *, anew: bool = False) -> dict[str, Any]:
    known = _kept.get(url)
    if known and not anew and known[0] > time.monotonic():
        return known[1]
    found = await _json(url, what)
    if len(_kept) >= KEPT:
        _kept.clear()
    _kept[url] = (time.monotonic() + KEPT_SECONDS, found)
    return found


async def discover(issuer: str, *, anew: bool = False) -> dict[str, Any]:
    """The provider's own description. Raises ProviderFault."""
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    found = await _remembered(url, "the discovery document", anew=anew)
    if found.get("issuer") != issuer:
        raise ProviderFault(f"the provider calls itself {str(found.get('issuer'))[:200]!r}, not {issuer!r}")
    for name in _NEEDED:
        if not isinstance(found.get(name), str) or not reachable(found[name]):
            raise ProviderFault(f"the discovery document has no {name} that is safe to use")
    methods = found.get("code_challenge_methods_supported")
    if isinstance(methods, list) and "S256" not in methods:
        raise ProviderFault("the provider does not support PKCE with S256")
    return found


async def examine(client: Client) -> None:
    """What can be seen without a person signing in. Raises ProviderFault."""
    found = await discover(client.issuer, anew=True)
    await _keys(found["jwks_uri"], anew=True)


def authorization_url(found: Mapping[str, Any], client: Client, **parameters: str) -> str:
    """Where the browser goes. `parameters`: redirect_uri, state, nonce and code_challenge."""
    return str(
        httpx.URL(found["authorization_endpoint"]).copy_merge_params(
            {
                "response_type": "code",
                "client_id": client.client_id,
                "scope": "openid email profile",
                "code_challenge_method": "S256",
                **parameters,
            }
        )
    )


async def identify(
    client: Client,
    answer: Mapping[str, str],
    *,
    verifier: str,
    nonce: str,
    redirect_uri: str,
    wanted: set[str],
) -> dict[str, Any]:
    """The claims about who came back with `answer`. Raises ProviderFault or ProviderRefused."""
    found = await discover(client.issuer)
    told = found.get("authorization_response_iss_parameter_supported") is True
    if answer.get("iss", None if told else client.issuer) != client.issuer:
        raise ProviderFault("the answer comes from another provider (iss)")
    if "error" in answer or not answer.get("code"):
        raise ProviderRefused
    tokens = await redeem(found, client, answer["code"], verifier=verifier, redirect_uri=redirect_uri)
    claims = await read_id_token(found, client, tokens["id_token"], nonce)
    return await complete(found, tokens, claims, wanted)


async def redeem(
    found: Mapping[str, Any], client: Client, code: str, *, verifier: str, redirect_uri: str
) -> dict[str, Any]:
    """The tokens for a code, an ID token among them. Raises ProviderFault."""
    methods = found.get("token_endpoint_auth_methods_supported")
    by_post = isinstance(methods, list) and "client_secret_basic" not in methods
    tokens = await exchange(
        found["token_endpoint"], client, code, verifier=verifier, redirect_uri=redirect_uri, by_post=by_post
    )
    if not isinstance(tokens.get("id_token"), str):
        raise ProviderFault("the provider sent no ID token")
    return tokens


async def exchange(
    endpoint: str, client: Client, code: str, *, verifier: str, redirect_uri: str, by_post: bool
) -> dict[str, Any]:
    """What OAuth 2 gives for a code. Raises ProviderFault."""
    from authlib.integrations.base_client import OAuthError
    from authlib.integrations.httpx_client import AsyncOAuth2Client

    async with (
        _way_out() as egress,
        AsyncOAuth2Client(
            client.client_id,
            client.secret,
            token_endpoint_auth_method="client_secret_post" if by_post else "client_secret_basic",
            redirect_uri=redirect_uri,
            transport=egress.transport2(),
            timeout=SECONDS,
            trust_env=False,
            follow_redirects=False,
        ) as session,
    ):
        try:
            tokens = await session.fetch_token(
                endpoint, grant_type="authorization_code", code=code, code_verifier=verifier
            )
        except OAuthError as error:
            raise ProviderFault(f"the code was refused: {str(error.error)[:100]}") from None
        except (ValueError, TypeError, KeyError):
            raise ProviderFault("the token endpoint's answer cannot be read") from None
    if not isinstance(tokens, dict):
        raise ProviderFault("the token endpoint's answer cannot be read")
    return tokens


async def _keys(url: str, *, anew: bool = False) -> KeySet:
    found = (await _remembered(url, "the key set", anew=anew)).get("keys")
    usable = [
        key
        for key in (found if isinstance(found, list) else [])
        if isinstance(key, dict) and key.get("kty") in ("RSA", "EC") and key.get("use", "sig") == "sig"
    ]
    try:
        if usable:
            return KeySet.import_key_set({"keys": usable})
    except (JoseError, ValueError, TypeError, KeyError):
        pass
    raise ProviderFault("the provider publishes no key that signs")


async def read_id_token(found: Mapping[str, Any], client: Client, token: str, nonce: str) -> dict[str, Any]:
    """The claims, once signature, issuer, audience, time and nonce are right. Raises ProviderFault."""
    try:
        decoded = jwt.decode(token, await _keys(found["jwks_uri"]), algorithms=ALGORITHMS)
    except (JoseError, ValueError, TypeError):
        try:  # perhaps the provider changed its keys
            decoded = jwt.decode(token, await _keys(found["jwks_uri"], anew=True), algorithms=ALGORITHMS)
        except (JoseError, ValueError, TypeError) as error:
            raise ProviderFault(f"the ID token's signature is not right: {type(error).__name__}") from None
    claims = decoded.claims
    registry = jwt.JWTClaimsRegistry(
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": client.issuer},
        aud={"essential": True, "value": client.client_id},
        exp={"essential": True},
        iat={"essential": True},
        sub={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    try:
        registry.validate(claims)
    except (JoseError, ValueError, TypeError) as error:
        raise ProviderFault(f"the ID token is not for this sign-in: {str(error)[:200]}") from None
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if ("azp" in claims or several) and claims.get("azp") != client.client_id:
        raise ProviderFault("the ID token was issued to somebody else (azp)")
    if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
        raise ProviderFault("the ID token names no subject")
    return dict(claims)


async def complete(
    found: Mapping[str, Any], tokens: Mapping[str, Any], claims: dict[str, Any], wanted: set[str]
) -> dict[str, Any]:
    """The claims with those `wanted` that only the userinfo endpoint tells. Raises ProviderFault."""
    endpoint, token = found.get("userinfo_endpoint"), tokens.get("access_token")
    if not wanted - claims.keys() or not isinstance(endpoint, str) or not isinstance(token, str):
        return claims
    if not reachable(endpoint):
        raise ProviderFault("the userinfo endpoint is not safe to use")
    more = await _json(endpoint, "the userinfo endpoint", {"Authorization": f"Bearer {token}"})
    if more.get("sub") != claims["sub"]:
        raise ProviderFault("the userinfo endpoint tells of somebody else")
    # Both halves of the address come from one place, so that one cannot vouch for the other's.
    (more if "email" in claims else claims).pop("email_verified", None)
    return more | claims
