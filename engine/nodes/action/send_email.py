import asyncio
import hashlib
from typing import Any

from pydantic import ValidationInfo, field_validator

from engine.context import Context
from engine.errors import InvalidConfigError
from engine.expressions import has_expression
from engine.letters import MAX_SUBJECT, Letter, Mailbox, mailboxes, one_line
from engine.mail import MailServer, deliver
from engine.nodes.base import NodeKind, Result
from engine.nodes.fields import Expr, NodeConfig, NodeOutput, Text, field, is_draft

MAX_RECIPIENTS = 100
MAX_BYTES = 10 * 1024 * 1024
Addresses = Expr[str | list[Text]]


class SendEmailConfig(NodeConfig):
    to: Addresses = field(
        "To", "Addresses with commas between them, or a list.", widget="text", examples=["ada@example.com"]
    )
    subject: Text = field("Subject", "One line.", widget="text")
    text: Text = field("Text", "The letter as plain text.", widget="textarea", default="")
    html: Text | None = field(
        "HTML", "The letter as HTML, beside the text or alone.", widget="code", default=None
    )
    credential_id: Text | None = field(
        "Credential",
        "Of the type mail server. Empty: the installation's own, where that is lent.",
        widget="mail_server",
        default=None,
        verbatim=True,
    )
    cc: Addresses | None = field("Cc", "Who gets a copy.", widget="text", default=None)
    bcc: Addresses | None = field("Bcc", "Who gets a copy that nobody sees.", widget="text", default=None)
    reply_to: Addresses | None = field("Reply to", "Where answers go.", widget="text", default=None)
    sender: Text | None = field(
        "From", "Empty: the mail server's own address.", widget="text", default=None, alias="from"
    )

    @field_validator("to", "cc", "bcc", "reply_to")
    @classmethod
    def _addresses(cls, given: str | list[str] | None, info: ValidationInfo) -> str | list[str] | None:
        if given is None:
            return given
        texts = [given] if isinstance(given, str) else given
        if not (is_draft(info) and any(map(has_expression, texts))):
            found = mailboxes(given)
            if info.field_name == "to" and not found:
                raise ValueError("name who is to get it")
        return given

    @field_validator("subject")
    @classmethod
    def _short(cls, subject: str, info: ValidationInfo) -> str:
        if not is_draft(info) and len(subject) > MAX_SUBJECT:
            raise ValueError(f"has more than {MAX_SUBJECT} characters")
        return subject


class SendEmailOutput(NodeOutput):
    """`accepted` are the recipients whom the mail server took, `refused` the others, each with its reason."""

    message_id: str
    accepted: list[str]
    refused: list[dict[str, Any]]


class SendEmail(NodeKind[SendEmailConfig]):
    type = "action"
    subtype = "send_email"
    label = "Send e-mail"
    help = "Sends a letter through a mail server."
    icon = "mail"
    side_effect = True
    timeout_seconds = 300
    Config = SendEmailConfig
    Output = SendEmailOutput

    async def run(self, config: SendEmailConfig, context: Context) -> Result:
        to, cc, bcc = (mailboxes(each or []) for each in (config.to, config.cc, config.bcc))
        recipients = list(dict.fromkeys(box.address for box in (*to, *cc, *bcc)))
        if len(recipients) > MAX_RECIPIENTS:
            raise InvalidConfigError(
                f"A letter has {MAX_RECIPIENTS} recipients at most, not {len(recipients)}; use a loop"
            )
        server = await context.mail_server(config.credential_id)
        sender = _sender(config, server)
        if len(config.text) + len(config.html or "") > MAX_BYTES:
            raise _too_large()
        letter = Letter(
            sender=sender,
            to=to,
            cc=cc,
            reply_to=mailboxes(config.reply_to or []),
            subject=one_line(config.subject),
            text=config.text or None,
            html=config.html,
            message_id=_message_id(context.idempotency_key, sender),
            at=context.clock.now(),
        )
        # Others run on this loop, too, while a large letter is encoded.
        message = await asyncio.to_thread(letter.as_bytes)
        if len(message) > MAX_BYTES:
            raise _too_large()
        refused = await deliver(server, context.egress, sender.address, recipients, message)
        gone = {each.address for each in refused}
        return Result(
            {
                "message_id": letter.message_id,
                "accepted": [address for address in recipients if address not in gone],
                "refused": [
                    {"address": each.address, "code": each.code, "message": each.message} for each in refused
                ],
            }
        )


def _too_large() -> InvalidConfigError:
    return InvalidConfigError(f"The letter is larger than {MAX_BYTES} bytes; send a link instead")


def _sender(config: SendEmailConfig, server: MailServer) -> Mailbox:
    """Raises InvalidConfigError."""
    if config.sender and server.fixed_sender:
        raise InvalidConfigError(
            "The installation's mail server sends from its own address only; leave From empty,"
            " or choose a credential"
        )
    try:
        (found,) = mailboxes(config.sender or server.sender)
    except ValueError:
        raise InvalidConfigError("From is one address, like robot@example.com") from None
    return found


def _message_id(key: str, sender: Mailbox) -> str:
    """The same at each attempt, so that a repeat is told apart."""
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{sender.address.rpartition('@')[2]}>"
