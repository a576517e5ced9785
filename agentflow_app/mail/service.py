"""Sends letters: written down in the caller's transaction, delivered by a worker, tried again for a day."""

import logging
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlmodel import col

from agentflow_app.core.clock import utcnow
from agentflow_app.core.crypto import cell, seal, unseal
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.ids import new_id
from agentflow_app.core.jobs import enqueue
from agentflow_app.core.serialization import dumps, loads
from agentflow_app.core.settings import settings
from agentflow_app.mail.models import OutgoingMail
from agentflow_app.mail.transport import Letter, NotDelivered, deliver_letter

logger = logging.getLogger(__name__)
DELIVER_JOB = "mail.deliver"
PAUSES = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 180, 420, 720))
"""After each failed attempt; the one after the last pause is the last attempt."""
KEPT = timedelta(days=30)


def mail_configured() -> bool:
    """Whether letters are delivered at all; where not, links have to be passed on by other means."""
    return bool(settings().smtp_url.get_secret_value())


async def send(tx: Transaction, *, to: str, subject: str, text: str, withheld: bool = False) -> None:
    """Puts a letter into the outbox, delivered after `tx` commits; dropped where there is no mail server.

    `withheld`: it is as much work, and nobody gets it.
    """
    if not mail_configured():
        logger.info("No mail server is set, so a letter was not sent", extra={"subject": subject})
        return
    mail_id = new_id()
    letter = dumps({"to": to, "subject": subject, "text": text}).encode()
    sealed = await seal(letter, cell("mail_outbox", "letter", mail_id))
    # Not through the session: the app's role may put letters in but read none, and so gets no row back.
    await tx.execute(
        insert(OutgoingMail).values(
            id=mail_id,
            letter=None if withheld else sealed,
            status="withheld" if withheld else "waiting",
            attempts=0,
            due_at=func.now(),
        )
    )
    enqueue(tx, DELIVER_JOB, str(mail_id))


async def forget_letters(tx: Transaction, address: str) -> None:
    """Takes what waits for an address out of the outbox. On the system role."""
    waiting = select(OutgoingMail).where(col(OutgoingMail.letter).is_not(None)).with_for_update()
    for mail in (await tx.execute(waiting)).scalars():
        letter = loads(await unseal(mail.letter or b"", cell("mail_outbox", "letter", mail.id)))
        if letter["to"].lower() == address.lower():
            await tx.delete(mail)
    await tx.flush()


async def deliver(mail_id: UUID) -> None:
    """One attempt, if one is due. Counted before it starts, so that a crash cannot repeat it for ever.

    Without a mail server no attempt is spent: the letter waits until there is one again.
    """
    if not mail_configured():
        return
    async with database().system() as tx:
        row = (
            await tx.execute(
                select(OutgoingMail)
                .where(
                    col(OutgoingMail.id) == mail_id,
                    col(OutgoingMail.status) == "waiting",
                    col(OutgoingMail.due_at) <= func.now(),
                )
                .with_for_update(skip_locked=True)
            )
        ).scalar_one_or_none()
        if row is None or row.letter is None:
            return
        last = row.attempts >= len(PAUSES)
        row.due_at = utcnow() + PAUSES[min(row.attempts, len(PAUSES) - 1)]
        row.attempts += 1
        sealed = row.letter
    letter = Letter(**loads(await unseal(sealed, cell("mail_outbox", "letter", mail_id))))
    try:
        await deliver_letter(letter, mail_id)
    except NotDelivered as error:
        logger.warning("A letter was not delivered", extra={"mail_id": str(mail_id), "error": error.reason})
        await _close(mail_id, "failed" if last or error.final else "waiting", error.reason)
    else:
        await _close(mail_id, "delivered", None)


async def _close(mail_id: UUID, status: str, reason: str | None) -> None:
    values: dict[str, object] = {"status": status, "reason": reason}
    if status != "waiting":
        values |= {"letter": None, "due_at": None}
    async with database().system() as tx:
        await tx.execute(update(OutgoingMail).where(col(OutgoingMail.id) == mail_id).values(values))


async def due(limit: int) -> list[UUID]:
    """Letters whose next attempt has come, or whose wake-up was lost."""
    if not mail_configured():
        return []
    async with database().system() as tx:
        query = (
            select(col(OutgoingMail.id))
            .where(col(OutgoingMail.status) == "waiting", col(OutgoingMail.due_at) <= func.now())
            .order_by(col(OutgoingMail.due_at))
            .limit(limit)
        )
        return list((await tx.execute(query)).scalars())


async def sweep_mail() -> None:
    async with database().system() as tx:
        await tx.execute(
            delete(OutgoingMail).where(
                col(OutgoingMail.status) != "waiting", col(OutgoingMail.created_at) < func.now() - KEPT
            )
        )
