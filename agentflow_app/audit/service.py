"""Writes the audit trail, in the transaction of what it tells."""

from typing import Any
from uuid import UUID

from agentflow_app.audit.models import AuditLog
from agentflow_app.core.database import Transaction
from agentflow_app.core.tenancy import Actor


def record(
    tx: Transaction,
    actor: Actor,
    action: str,
    resource_type: str,
    resource_id: UUID,
    details: dict[str, Any] | None = None,
) -> None:
    """`action` is `<resource>.<past verb>`, as `agent.published`; `details` hold no secrets."""
    tx.add(
        AuditLog(
            org_id=actor.org_id,
            user_id=actor.user_id,
            action=action,
            resource_type=resource_type,
            resource_id=resource_id,
            details=(details or {}) | ({"api_key_id": str(actor.key_id)} if actor.key_id else {}),
        )
    )
