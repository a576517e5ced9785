"""Writes the audit trail, in the transaction of what it tells."""

from typing import Any
from uuid import UUID

from agentflow_app.audit.models import AuditLog
from agentflow_app.core.database import Transaction
from agentflow_app.core.origin import origin
from agentflow_app.core.tenancy import Actor


def record(
    tx: Transaction,
    actor: Actor,
    action: str,
    resource_type: str,
    resource_id: UUID | None,
    details: dict[str, Any] | None = None,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """`action` is `<resource>.<past verb>`, as `agent.published`; `before` and `after`: the changed fields.

    Nothing in it is a secret. Where it comes from is added by itself.
    """
    told = dict(details or {})
    if actor.key_id:
        told["api_key_id"] = str(actor.key_id)
    if before is not None or after is not None:
        told |= {"before": before, "after": after}
    source = origin.get()
    tx.add(
        AuditLog(
            org_id=actor.org_id,
            user_id=actor.user_id,
            action=action,
            resource_type=resource_type,
            resource_id=resource_id,
            details=told,
            ip_address=source.address,
            user_agent=source.user_agent,
        )
    )
