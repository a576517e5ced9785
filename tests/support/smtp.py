"""Mail servers for tests: real ones, with TLS and logins, and one that misbehaves by a script."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.processes import free_port

USER, PASSWORD = "post@example.com", "s/ecret-of-the-post"


class Box(MessageHandler):
    """Keeps what arrives; refuses recipients and letters as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.letters: list[Message] = []
        self.recipients: list[str] = []
        self.senders: list[str] = []
        self.refused: dict[str, str] = {}
        self.answer = "250 OK"
        self.tried = 0
        self.message_ids: list[str] = []
        """Of every letter that was handed over, also of those that were refused."""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        self.tried += 1
        if address in self.refused or "*" in self.refused:
            return f"{self.refused.get(address) or self.refused['*']} not taken"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.message_ids.append(message_from_bytes(envelope.content)["Message-ID"])
        if self.answer == "250 OK":
            self.recipients += envelope.rcpt_tos
            self.senders.append(envelope.mail_from)
            await super().handle_DATA(server, session, envelope)
        return self.answer

    def handle_message(self, message: Message) -> None:
        self.letters.append(message)


def certificate(folder: Path) -> tuple[Path, Path]:
    """Of localhost: the certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    written, private = folder / "cert.pem", folder / "key.pem"
    written.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return written, private


def tls_context(written: Path, private: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(written, private)
    return context


@contextmanager
def mail_server(**options: Any) -> Iterator[tuple[Box, int]]:
    """A box and the port of its server; `options` are aiosmtpd's."""
    box, port = Box(), free_port()
    server = Controller(box, hostname="127.0.0.1", port=port, **options)
    server.start()
    try:
        yield box, port
    finally:
        server.stop()


def login(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
    right = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)


class Script:
    """Answers each command by its first word; an empty answer hangs up, None is never given.

    `.` is the end of a letter. `seen` are the lines that came.
    """

    def __init__(self, answers: Mapping[str, bytes | None]) -> None:
        fine = {"": b"220 here\r\n", "EHLO": b"250 here\r\n", "DATA": b"354 go on\r\n", ".": b"250 taken\r\n"}
        self.answers = {**fine, **answers}
        self.seen: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._converse(reader, writer)
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        word = ""
        while answer := self.answers.get(word, b"250 OK\r\n"):
            writer.write(answer)
            await writer.drain()
            if word == "DATA":
                await reader.readuntil(b"\r\n.\r\n")
                word = "."
            else:
                line = (await reader.readline()).decode().strip()
                self.seen.append(line)
                word = line.partition(" ")[0].upper() or "QUIT"
        if answer is None:
            await reader.read()


@asynccontextmanager
async def scripted(**answers: bytes | None) -> AsyncIterator[tuple[Script, int]]:
    """`greeting` and `end` stand for the answers that no command asks for."""
    names = {"greeting": "", "end": "."}
    script = Script({names.get(name, name): answer for name, answer in answers.items()})
    server = await asyncio.start_server(script, "127.0.0.1", 0)
    async with server:
        yield script, server.sockets[0].getsockname()[1]
