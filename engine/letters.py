"""A letter as it is sent: addresses of which nothing else can be made, and headers of one line each."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

MAX_ADDRESS = 254
MAX_NAME = 200
MAX_ADDRESSES = 1000
MAX_SUBJECT = 500
_NAMED = re.compile(r'(?:"([^"]*)"|([^"<>]*?))\s*<([^<>]+)>')
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Not even the 8-bit parts of a text: not every server takes them.
_POLICY = policy.SMTP.clone(cte_type="7bit")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Somebody's address, in ASCII, and the name that is shown."""

    address: str
    name: str = ""

    @property
    def header(self) -> Address:
        return Address(self.name, addr_spec=self.address)


@dataclass(frozen=True, slots=True)
class Letter:
    sender: Mailbox
    to: Sequence[Mailbox]
    cc: Sequence[Mailbox]
    reply_to: Sequence[Mailbox]
    subject: str
    text: str | None
    html: str | None
    message_id: str
    at: datetime

    def as_bytes(self) -> bytes:
        message = EmailMessage(_POLICY)
        message["From"] = self.sender.header
        for name, boxes in (("To", self.to), ("Cc", self.cc), ("Reply-To", self.reply_to)):
            if boxes:
                message[name] = [box.header for box in boxes]
        message["Subject"] = one_line(self.subject)
        message["Date"] = format_datetime(self.at)
        message["Message-ID"] = self.message_id
        message["Auto-Submitted"] = "auto-generated"
        if self.text is not None:
            message.set_content(_encodable(self.text))
            if self.html is not None:
                message.add_alternative(_encodable(self.html), subtype="html")
        elif self.html is not None:
            message.set_content(_encodable(self.html), subtype="html")
        else:
            message.set_content("")
        return message.as_bytes()


def mailboxes(given: str | Sequence[str]) -> list[Mailbox]:
    """`ada@example.com, "Bob B." <bob@example.com>`, or a list of such. Raises ValueError."""
    found = [box for text in ([given] if isinstance(given, str) else given) for box in _split(text)]
    return list({box.address.lower(): box for box in found}.values())


def one_line(text: str) -> str:
    # What looks encoded would be decoded as the header is made, with the line breaks that are in it.
    return _encodable(" ".join(_CONTROL.sub(" ", text).split()).replace("=?", "= ?"))


def _split(text: str) -> list[Mailbox]:
    if _CONTROL.search(text):
        raise ValueError(f"{text[:100]!r} is no address: it has control characters")
    return [_mailbox(piece) for piece in _pieces(text)]


def _pieces(text: str) -> list[str]:
    """What stands between commas, or semicolons, that are in no quotes."""
    found, start, quoted = [], 0, False
    for place, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character in ",;" and not quoted:
            found.append(text[start:place].strip())
            start = place + 1
            if len(found) > MAX_ADDRESSES:
                raise ValueError(f"are more than {MAX_ADDRESSES} addresses")
    return [piece for piece in (*found, text[start:].strip()) if piece]


def _mailbox(text: str) -> Mailbox:
    if len(text) > MAX_ADDRESS + MAX_NAME:
        raise ValueError(f"{text[:100]!r} is too long for an address")
    named = _NAMED.fullmatch(text)
    name = (named[1] or named[2] or "").strip() if named else ""
    address = named[3].strip() if named else text
    local, at, domain = address.rpartition("@")
    try:
        # The form in which names of domains are sent.
        domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        at = ""
    labels = domain.split(".")
    if not at or not _LOCAL.fullmatch(local) or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(f"{text[:100]!r} is no address like ada@example.com")
    if len(local) > 64 or len(local) + len(domain) + 1 > MAX_ADDRESS or len(name) > MAX_NAME:
        raise ValueError(f"{text[:100]!r} is too long for an address")
    return Mailbox(f"{local}@{domain}", one_line(name))


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
