"""Writes the audit trail, in the transaction of what it tells: without the entry, the act does not happen."""

from typing import Any
from uuid import UUID

from sqlalchemy import insert

from agentflow_app.audit.models import AuditLog
from agentflow_app.audit.people import Trace, hide, own_key
from agentflow_app.core.database import Transaction
from agentflow_app.core.ids import new_id
from agentflow_app.core.origin import origin
from agentflow_app.core.tenancy import Actor

_PENDING = "audit"


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

    Nothing in it is a secret, or tells of another person than the actor. Where it comes from is added here.
    """
    told = dict(details or {})
    if actor.key_id:
        told["api_key_id"] = str(actor.key_id)
    if actor.provisions:
        told["by"] = "scim"
    if before is not None or after is not None:
        told |= {"before": before, "after": after}
    source = origin.get()
    entry = {
        "id": new_id(),
        "org_id": actor.org_id,
        "user_id": actor.user_id,
        "action": action,
        "resource_type": resource_type,
        "resource_id": resource_id,
        "details": told,
    }
    trace = Trace(actor.email, actor.name, source.address, source.user_agent)
    pending = tx.info.setdefault(_PENDING, [])
    if not pending:
        # Last, because it holds the organization's chain until the commit.
        tx.before_commit(lambda: _write(tx))
    pending.append((entry, trace))


async def _write(tx: Transaction) -> None:
    pending: list[tuple[dict[str, Any], Trace]] = tx.info.pop(_PENDING)
    # In one order, so that two transactions that tell several organizations do not wait for each other.
    for entry, trace in sorted(pending, key=lambda each: (each[0]["org_id"], each[0]["id"])):
        personal = None
        if entry["user_id"] is not None:
            personal = hide(trace, await own_key(tx, entry["user_id"]), entry["id"])
        await tx.execute(insert(AuditLog).values(**entry, personal=personal))
