"""Letters that wait to be delivered."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from agentflow_app.core.tables import created, moment, primary_key, sealed


class OutgoingMail(SQLModel, table=True):
    """Address, subject and text are sealed together in `letter`, which is dropped once it is delivered."""

    __tablename__ = "mail_outbox"
    __table_args__ = (Index("ix_mail_outbox_due", "due_at", postgresql_where=text("status = 'waiting'")),)

    id: UUID = primary_key()
    letter: bytes | None = sealed(nullable=True)
    status: str = Field(default="waiting", max_length=20)
    attempts: int = 0
    due_at: datetime | None = moment()
    reason: str | None = Field(default=None, max_length=500)
    created_at: datetime = created()
