"""How each type of credential is put on a request."""

import base64
from collections.abc import Mapping, Sequence

from agentflow_app.vault.models import Credential
from engine.egress.origins import origins
from engine.errors import CredentialRefusedError
from engine.mail import PORTS, MailServer, Security
from engine.secrets import Credential as ReadyCredential


def ready(credential: Credential, parts: Mapping[str, str]) -> ReadyCredential:
    """Every type but `oauth2`, whose token is fetched first. Raises CredentialRefusedError for `smtp`."""
    settings = credential.settings
    if credential.type == "smtp":
        raise CredentialRefusedError(
            f"The credential {credential.name!r} is a mail server's; it is for letters only"
        )
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


def mail_server(credential: Credential, parts: Mapping[str, str]) -> MailServer:
    """Raises CredentialRefusedError where it is none, or is to go where the credential may not."""
    settings = credential.settings
    if credential.type != "smtp":
        raise CredentialRefusedError(
            f"The credential {credential.name!r} is no mail server's; choose one of the type mail server"
        )
    host = settings["host"]
    if not any(each.covers(host) for each in origins(credential.allowed_hosts)):
        raise CredentialRefusedError(f"The credential {credential.name!r} may not be sent to {host}")
    security: Security = settings.get("security", "starttls")
    return MailServer(
        name=credential.name,
        host=host,
        port=settings.get("port") or PORTS[security],
        security=security,
        sender=settings.get("sender") or settings["username"],
        username=settings["username"],
        password=parts["password"],
    )


def hidden(credential: Credential, parts: Mapping[str, str]) -> Sequence[str]:
    """What is to be masked of it."""
    return tuple(parts.values()) if credential.type == "smtp" else ready(credential, parts).hidden


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
