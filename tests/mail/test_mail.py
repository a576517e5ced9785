"""Letters, delivered to a real SMTP server over STARTTLS, or given up with the reason."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import Message
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from aiosmtpd.smtp import AuthResult
from pydantic import SecretStr, ValidationError
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import col

from agentflow_app.core.database import database
from agentflow_app.core.settings import Settings
from agentflow_app.core.settings import settings as current_settings
from agentflow_app.mail import service
from agentflow_app.mail.models import OutgoingMail
from tests.actors import Person
from tests.support.processes import free_port
from tests.support.smtp import certificate, tls_context


class Mailbox(MessageHandler):
    """Keeps what arrives; refuses as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.letters: list[Message] = []
        self.refusal = ""
        self.encrypted: list[bool] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        self.encrypted.append(session.ssl is not None)
        if self.refusal:
            return f"{self.refusal} {address} is not taken"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def handle_message(self, message: Message) -> None:
        self.letters.append(message)


@pytest.fixture
def mailbox(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    written, private = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(written))
    box = Mailbox()

    def login(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
        right = (given.login, given.password) == (b"post@example.com", b"s/ecret")
        return AuthResult(success=right)

    port = free_port()
    server = Controller(
        box,
        hostname="127.0.0.1",
        port=port,
        tls_context=tls_context(written, private),
        require_starttls=True,
        authenticator=login,
        auth_required=True,
    )
    server.start()
    config = current_settings()
    monkeypatch.setattr(
        config, "smtp_url", SecretStr(f"smtp://post%40example.com:s%2Fecret@localhost:{port}")
    )
    monkeypatch.setattr(config, "mail_from", "AgentFlow <robot@example.com>")
    yield box
    server.stop()


async def _sent(
    person: Person, to: str = "ada@example.com", subject: str = "A canary\r\nBcc: x@example.com"
) -> UUID:
    before = set(await service.due(1000))
    async with database().transaction(person.actor) as tx:
        await service.send(tx, to=to, subject=subject, text="Canary text, grüße\n")
    (new,) = set(await service.due(1000)) - before
    return new


async def _row(mail_id: UUID) -> OutgoingMail:
    async with database().system() as tx:
        found = await tx.get(OutgoingMail, mail_id)
        assert found is not None
        return found


async def _make_due(mail_id: UUID) -> None:
    async with database().system() as tx:
        await tx.execute(
            update(OutgoingMail)
            .where(col(OutgoingMail.id) == mail_id)
            .values(due_at=datetime.now(UTC) - timedelta(minutes=1))
        )


async def test_a_letter_arrives_once_encrypted_and_is_forgotten(alice: Person, mailbox: Mailbox) -> None:
    mail_id = await _sent(alice)
    assert b"anary" not in ((await _row(mail_id)).letter or b"")
    await service.deliver(mail_id)
    await service.deliver(mail_id)
    (letter,) = mailbox.letters
    assert (letter["To"], letter["From"]) == ("ada@example.com", "AgentFlow <robot@example.com>")
    assert letter["Subject"] == "A canary Bcc: x@example.com"
    assert letter["Bcc"] is None
    assert letter.get_payload(decode=True).decode().replace("\r\n", "\n") == "Canary text, grüße\n"  # type: ignore[union-attr]
    assert mailbox.encrypted == [True]
    row = await _row(mail_id)
    assert (row.status, row.letter, row.attempts) == ("delivered", None, 1)


async def test_what_is_encoded_in_a_subject_makes_no_header(alice: Person, mailbox: Mailbox) -> None:
    """An organization may be called like this, and its invitations name it."""
    hidden = "=?utf-8?q?Join=0D=0AX-Evil:_eve@example.com=0D=0A=0D=0AOther_text?="
    await service.deliver(await _sent(alice, subject=f"Join {hidden} on AgentFlow"))
    (letter,) = mailbox.letters
    assert letter["X-Evil"] is None
    assert letter["Message-ID"] is not None
    assert letter.get_payload(decode=True).decode().strip() == "Canary text, grüße"  # type: ignore[union-attr]


async def test_a_rollback_sends_nothing(alice: Person, mailbox: Mailbox) -> None:
    before = await service.due(1000)

    async def fail() -> None:
        async with database().transaction(alice.actor) as tx:
            await service.send(tx, to="ada@example.com", subject="x", text="x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await service.due(1000) == before


async def test_a_refusal_for_now_is_tried_for_a_day_and_then_given_up(
    alice: Person, mailbox: Mailbox
) -> None:
    mailbox.refusal = "450"
    mail_id = await _sent(alice)
    for attempt in range(1, len(service.PAUSES) + 2):
        await service.deliver(mail_id)
        row = await _row(mail_id)
        assert row.attempts == attempt
        assert row.status == ("failed" if attempt > len(service.PAUSES) else "waiting")
        await service.deliver(mail_id)  # not due yet
        assert (await _row(mail_id)).attempts == attempt
        await _make_due(mail_id)
    row = await _row(mail_id)
    assert row.letter is None
    assert row.reason == "450 … is not taken"
    assert sum(service.PAUSES, timedelta()) >= timedelta(hours=20)


async def test_a_refusal_for_good_is_not_repeated(alice: Person, mailbox: Mailbox) -> None:
    mailbox.refusal = "550"
    mail_id = await _sent(alice)
    await service.deliver(mail_id)
    row = await _row(mail_id)
    assert (row.status, row.letter, row.reason) == ("failed", None, "550 … is not taken")


async def test_a_server_that_is_away_or_not_trusted_gets_nothing(
    alice: Person, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_id = await _sent(alice)
    monkeypatch.delenv("SSL_CERT_FILE")
    await service.deliver(mail_id)
    assert "certificate" in ((await _row(mail_id)).reason or "")
    monkeypatch.setattr(current_settings(), "smtp_url", SecretStr(f"smtp://localhost:{free_port()}"))
    await _make_due(mail_id)
    await service.deliver(mail_id)
    row = await _row(mail_id)
    assert (row.status, row.attempts) == ("waiting", 2)
    assert mailbox.letters == []


async def test_the_apps_role_puts_letters_in_and_reads_none(alice: Person) -> None:
    for statement in ("SELECT id FROM mail_outbox", "DELETE FROM mail_outbox"):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with database().transaction(alice.actor) as tx:
                await tx.execute(text(statement))


async def _kept() -> int:
    async with database().system() as tx:
        return (await tx.execute(select(func.count()).select_from(OutgoingMail))).scalar_one()


async def test_without_a_mail_server_nothing_is_kept(alice: Person) -> None:
    assert not service.mail_configured()
    before = await _kept()
    async with database().transaction(alice.actor) as tx:
        await service.send(tx, to="ada@example.com", subject="x", text="x")
    assert await _kept() == before


async def test_a_letter_waits_for_a_mail_server_that_was_taken_away(
    alice: Person, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_id = await _sent(alice)
    monkeypatch.setattr(current_settings(), "smtp_url", SecretStr(""))
    await service.deliver(mail_id)
    assert await service.due(1000) == []
    assert (await _row(mail_id)).attempts == 0


@pytest.mark.parametrize(
    "given",
    [
        {"smtp_url": "http://mail.example.com", "mail_from": "a@example.com"},
        {"smtp_url": "smtp://", "mail_from": "a@example.com"},
        {"smtp_url": "smtp://mail.example.com", "mail_from": "nobody"},
    ],
)
def test_half_a_mail_server_stops_the_start(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="AGENTFLOW_"):
        Settings(**given)
