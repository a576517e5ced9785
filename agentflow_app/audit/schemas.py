"""What the audit trail shows."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, StringConstraints

from agentflow_app.core.pagination import PageQuery
from agentflow_app.core.schemas import Output, Storable

Word = Annotated[str, StringConstraints(max_length=100)]


class AuditFilter(Storable):
    """`action` is a whole one (`agent.published`) or a resource (`agent`); `since` and `until` are times."""

    action: Word | None = None
    user_id: UUID | None = None
    resource_type: Word | None = None
    resource_id: UUID | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class AuditQuery(AuditFilter, PageQuery):
    """`search` looks into what was told."""


class ExportQuery(AuditFilter):
    format: Literal["csv", "jsonl"] = "csv"


class AuditPerson(Output):
    email: str
    name: str


class AuditEntry(Output):
    """`user` is null for what no person did, and for a person who was erased.

    `people`: those whom the entry names by their ids, as they are called now, for who may see them. Who is no
    member any more is left out; who was erased is an erased person.
    """

    id: UUID
    seq: int
    action: str
    resource_type: str
    resource_id: UUID | None
    user_id: UUID | None
    user: AuditPerson | None
    address: str | None
    user_agent: str | None
    details: dict[str, Any]
    people: dict[UUID, str]
    hash: str
    created_at: datetime


class ChainOut(Output):
    """`broken_at` is the first entry that is not as it was written; `head` stands for all of them."""

    entries: int
    head: str
    intact: bool
    broken_at: int | None
