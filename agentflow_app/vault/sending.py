"""How each type of credential is put on a request."""

import base64
from collections.abc import Mapping, Sequence

from agentflow_app.vault.models import Credential
from engine.egress.origins import origins
from engine.secrets import Credential as ReadyCredential


def ready(credential: Credential, parts: Mapping[str, str]) -> ReadyCredential:
    """Every type but `oauth2`, whose token is fetched first."""
    settings = credential.settings
    if credential.type == "basic":
        plain = f"{settings['username']}:{parts['password']}"
        encoded = base64.b64encode(plain.encode()).decode()
        return _made(credential, (parts["password"], encoded), {"Authorization": f"Basic {encoded}"})
    value = parts["value"]
    if credential.type == "bearer":
        return bearer(credential, value)
    if "query" in settings:
        return _made(credential, (value,), query={settings["query"]: value})
    return _made(credential, (value,), {settings["header"]: value})


def bearer(credential: Credential, token: str, hidden: Sequence[str] = ()) -> ReadyCredential:
    return _made(credential, (token, *hidden), {"Authorization": f"Bearer {token}"})


def _made(
    credential: Credential,
    hidden: Sequence[str],
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> ReadyCredential:
    return ReadyCredential(
        name=credential.name,
        hosts=origins(credential.allowed_hosts),
        headers=headers or {},
        query=query or {},
        hidden=tuple(hidden),
    )
