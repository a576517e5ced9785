"""Letters by SMTP: to a server that was checked, over TLS wherever there is a password."""

import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from engine.errors import EngineError

if TYPE_CHECKING:
    import aiosmtplib

    from engine.ports import Egress

Security = Literal["tls", "starttls", "offered"]
PORTS: dict[Security, int] = {"tls": 465, "starttls": 587, "offered": 25}
SECONDS = 30.0
"""How long each answer may take."""
GOODBYE_SECONDS = 2.0
MAX_REASON = 500
AFTER_DATA_SECONDS = 120.0
"""Servers look at a letter before they say that they took it."""


class MailRefusedError(EngineError):
    """The mail server will not take this later either."""

    code = "MAIL_REFUSED"


class MailDeferredError(EngineError):
    """The mail server does not take this for now, or cannot be reached."""

    code = "MAIL_DEFERRED"
    retryable = True


class MailUnknownError(MailDeferredError):
    """The letter was sent, and whether the server took it is not known."""

    code = "MAIL_UNKNOWN"
    effect_unknown = True


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where letters are handed over. `offered`: TLS where the server has it, and never a password.

    `sender` is what letters come from where they do not say. `way` leads to it instead of the run's egress.
    """

    name: str
    host: str
    port: int
    security: Security
    sender: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    way: "Egress | None" = None
    fixed_sender: bool = False
    """Whether letters must come from `sender`."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A recipient whom the server does not take, while it takes others."""

    address: str
    code: int
    message: str


async def deliver(
    server: MailServer, egress: "Egress", sender: str, recipients: Sequence[str], message: bytes
) -> list[Refusal]:
    """Hands one letter over; addresses are bare. Raises MailRefusedError, MailDeferredError,
    MailUnknownError, EgressRefusedError.
    """
    import aiosmtplib

    where = f"{server.host}:{server.port}"
    try:
        sock = await (server.way or egress).tcp(server.host, server.port)
    except (OSError, TimeoutError) as error:
        raise MailDeferredError(f"The mail server {where} cannot be reached: {_reason(error)}") from None
    client = aiosmtplib.SMTP(
        hostname=server.host,
        sock=sock,
        use_tls=server.security == "tls",
        start_tls=False,
        timeout=SECONDS,
        local_hostname=sender.rpartition("@")[2],
    )
    try:
        await _open(client, server, where)
        refused = await _address(client, sender, recipients, len(message))
        await _hand_over(client, message, where)
        with suppress(aiosmtplib.SMTPException, OSError):
            await client.quit(timeout=GOODBYE_SECONDS)
        return refused
    finally:
        client.close()


async def _open(client: "aiosmtplib.SMTP", server: MailServer, where: str) -> None:
    import aiosmtplib

    try:
        await client.connect()
        if server.security != "tls" and await _offers_tls(client):
            await client.starttls(server_hostname=server.host)
        elif server.security == "starttls":
            raise MailRefusedError(
                f"The mail server {where} does not offer STARTTLS; see whether its port begins with TLS"
            )
        if server.username and server.password:
            await client.login(server.username, server.password)
    except aiosmtplib.SMTPAuthenticationError as error:
        if error.code < 500:
            raise _sorted(error, where) from None
        raise MailRefusedError(
            f"The mail server {where} does not accept the user and password; correct the credential"
            f" {server.name!r}",
            details={"status": error.code},
        ) from None
    except aiosmtplib.SMTPNotSupported as error:
        raise MailRefusedError(
            f"The mail server {where} does not offer what the credential {server.name!r} asks for:"
            f" {_reason(error)}; see its security and port"
        ) from None
    except (aiosmtplib.SMTPException, OSError) as error:
        if _untrusted(error):
            raise MailRefusedError(
                f"The mail server {where} shows a certificate that is not to be trusted for this name:"
                f" {_reason(error)}"
            ) from None
        raise _sorted(error, where) from None


async def _offers_tls(client: "aiosmtplib.SMTP") -> bool:
    await client.ehlo()
    return client.supports_extension("starttls")


async def _address(
    client: "aiosmtplib.SMTP", sender: str, recipients: Sequence[str], size: int
) -> list[Refusal]:
    """Raises unless the server takes the sender and at least one of the recipients."""
    import aiosmtplib

    refused: list[Refusal] = []
    try:
        options = [f"SIZE={size}"] if client.supports_extension("size") else []
        await client.mail(sender, options=options)
        for address in recipients:
            try:
                await client.rcpt(address)
            except aiosmtplib.SMTPRecipientRefused as error:
                refused.append(Refusal(address, error.code, error.message[:MAX_REASON]))
    except (aiosmtplib.SMTPException, OSError) as error:
        raise _sorted(error, f"{client.hostname}") from None
    if len(refused) == len(recipients):
        later = any(each.code < 500 for each in refused)
        kind = MailDeferredError if later else MailRefusedError
        first = refused[0]
        raise kind(
            f"The mail server takes none of the recipients: {first.address}: {first.code} {first.message}",
            details={"status": first.code, "recipients": [each.address for each in refused]},
        )
    return refused


async def _hand_over(client: "aiosmtplib.SMTP", message: bytes, where: str) -> None:
    import aiosmtplib

    try:
        await client.data(message, timeout=AFTER_DATA_SECONDS)
    except aiosmtplib.SMTPResponseException as error:
        raise _sorted(error, where) from None
    except (aiosmtplib.SMTPException, OSError) as error:
        raise MailUnknownError(
            f"The mail server {where} got the letter, but did not say whether it takes it ({_reason(error)})",
        ) from None


def _sorted(error: Exception, where: str) -> MailRefusedError | MailDeferredError:
    """5xx is for good, everything else may pass."""
    code = getattr(error, "code", None)
    if isinstance(code, int) and 500 <= code < 600:
        return MailRefusedError(
            f"The mail server {where} refuses this: {_reason(error)}", details={"status": code}
        )
    details = {"status": code} if isinstance(code, int) else None
    return MailDeferredError(
        f"The mail server {where} does not take this for now: {_reason(error)}", details=details
    )


def _untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _reason(error: Exception) -> str:
    code, message = getattr(error, "code", None), getattr(error, "message", None)
    text = f"{code} {message}" if isinstance(code, int) else str(error) or type(error).__name__
    return text[:MAX_REASON]
