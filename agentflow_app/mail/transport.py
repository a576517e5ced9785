"""SMTP, to the operator's own server: STARTTLS wherever it is offered, and always before a password."""

from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from urllib.parse import unquote, urlsplit
from uuid import UUID

from agentflow_app.core.settings import Settings, settings
from engine.egress import GuardedEgress
from engine.letters import one_line
from engine.mail import MailServer, Security

TIMEOUT_SECONDS = 20
MAX_REASON = 300


@dataclass(frozen=True, slots=True)
class Letter:
    to: str
    subject: str
    text: str


class NotDelivered(Exception):  # noqa: N818
    """`final`: the server will not take this letter later either."""

    def __init__(self, reason: str, *, final: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final


def _message(letter: Letter, mail_id: UUID, config: Settings) -> EmailMessage:
    message = EmailMessage()
    message["From"] = config.mail_from
    message["To"] = letter.to
    message["Subject"] = one_line(letter.subject)
    message["Date"] = formatdate()
    domain = config.mail_from.rpartition("@")[2].strip("> ")
    message["Message-ID"] = (
        f"<{mail_id}@{domain}>"  # the same at each attempt, so that a repeat is told apart
    )
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    return message


async def deliver_letter(letter: Letter, mail_id: UUID) -> None:
    """Raises NotDelivered, its reason without the recipient's address."""
    import aiosmtplib

    config = settings()
    server = urlsplit(config.smtp_url.get_secret_value())
    tls = server.scheme == "smtps"
    try:
        await aiosmtplib.send(
            _message(letter, mail_id, config),
            hostname=server.hostname,
            port=server.port or (465 if tls else 587),
            username=unquote(server.username) if server.username else None,
            password=unquote(server.password) if server.password else None,
            use_tls=tls,
            start_tls=None if tls or not server.username else True,
            timeout=TIMEOUT_SECONDS,
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        refused = error.recipients[0]
        final = 500 <= refused.code < 600
        raise NotDelivered(_reason(f"{refused.code} {refused.message}", letter), final=final) from None
    except aiosmtplib.SMTPResponseException as error:
        final = 500 <= error.code < 600 and not isinstance(error, aiosmtplib.SMTPAuthenticationError)
        raise NotDelivered(_reason(f"{error.code} {error.message}", letter), final=final) from None
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise NotDelivered(_reason(f"{type(error).__name__}: {error}", letter), final=False) from None


def _reason(text: str, letter: Letter) -> str:
    return text.replace(letter.to, "…")[:MAX_REASON]


def lent_server() -> MailServer | None:
    """The operator's, for letters of tenants' runs; None where there is none, or it is not lent.

    It is the operator's own to reach, wherever it is.
    """
    config = settings()
    server = urlsplit(config.smtp_url.get_secret_value())
    if not server.hostname or not config.operator_keys_shared:
        return None
    security: Security = "tls" if server.scheme == "smtps" else "starttls" if server.username else "offered"
    return MailServer(
        name="the installation's",
        host=server.hostname,
        port=server.port or (465 if security == "tls" else 587),
        security=security,
        sender=config.mail_from,
        username=unquote(server.username) if server.username else None,
        password=unquote(server.password) if server.password else None,
        way=GuardedEgress([server.hostname]),
        fixed_sender=True,
    )
