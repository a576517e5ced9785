"""What the operator of the installation sees and does: health, usage, and who is let in. Never content."""

from uuid import UUID

from sqlalchemy import text

from agentflow_app.accounts.operators import AccountOut, find_account, is_operator, set_active
from agentflow_app.audit.service import record
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import Conflict, Forbidden, NotFound
from agentflow_app.core.health import measure
from agentflow_app.core.tenancy import Actor
from agentflow_app.operator.schemas import HealthOut, UsageOut
from agentflow_app.organizations.deletion import set_standing

_USAGE = text(
    """
    SELECT o.id, o.name, o.slug, o.plan, o.created_at, u.members, u.agents, u.executions, u.failures,
        u.tokens, u.cost, u.storage,
        CASE WHEN o.deleted_at IS NOT NULL THEN 'deleted'
            WHEN o.suspended_at IS NOT NULL THEN 'suspended' ELSE 'active' END AS status
    FROM organizations o JOIN organization_usage() u ON u.org_id = o.id
    WHERE o.id = coalesce(cast(:id AS uuid), o.id)
        AND strpos(lower(o.name || ' ' || o.slug), lower(:search)) > 0
    ORDER BY u.executions DESC, o.created_at, o.id LIMIT 500
    """
)
_QUEUE = text(
    """
    SELECT status, count(*) AS amount,
        CASE WHEN status = 'pending' THEN extract(epoch FROM now() - min(created_at)) END AS oldest
    FROM executions WHERE status IN ('pending', 'running', 'waiting') GROUP BY status
    """
)


class NotAnOperator(Forbidden):
    def __init__(self) -> None:
        super().__init__("Only the operator of this installation may do this")


class OrganizationNotFound(NotFound):
    code = "ORGANIZATION_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such organization")


class OwnAccount(Conflict):
    code = "OWN_STATUS"

    def __init__(self) -> None:
        super().__init__("You cannot deactivate yourself")


class OperatorService:
    """Across tenants, on the system role, whose grants reach no content."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor

    async def _require(self) -> None:
        if not await is_operator(self.actor):
            raise NotAnOperator

    async def organizations(self, search: str = "") -> list[UsageOut]:
        """The busiest first, at most 500."""
        await self._require()
        return await _usage(search[:200])

    async def health(self) -> HealthOut:
        await self._require()
        checks, processes = await measure()
        counts: dict[str, int] = {"pending": 0, "running": 0, "waiting": 0}
        oldest = None
        if checks["database"]:
            async with database().system() as tx:
                for status, amount, age in (await tx.execute(_QUEUE)).all():
                    counts[status] = amount
                    oldest = float(age) if age is not None else oldest
        return HealthOut(**checks, processes=processes, executions=counts, oldest_waiting=oldest)

    async def set_standing(self, org_id: UUID, status: str) -> UsageOut:
        """Suspended: nobody gets in, nothing runs. Active brings back what is suspended or deleted.

        Raises OrganizationNotFound.
        """
        await self._require()
        suspended = status == "suspended"
        async with database().system() as tx:
            if not await set_standing(tx, org_id, suspended=suspended):
                raise OrganizationNotFound
            self._record(tx, org_id, f"organization.{'suspended' if suspended else 'restored'}", org_id)
        (usage,) = await _usage("", org_id)
        return usage

    async def account(self, email: str) -> AccountOut:
        """By its exact address. Raises NoSuchAccount."""
        await self._require()
        return await find_account(email)

    async def set_account(self, user_id: UUID, active: bool) -> AccountOut:
        """Lets a person in or keeps them out, everywhere and at once. Raises NoSuchAccount or OwnAccount."""
        await self._require()
        if user_id == self.actor.user_id:
            raise OwnAccount
        async with database().system() as tx:
            account = await set_active(tx, user_id, active)
            memberships = text("SELECT org_id FROM org_memberships WHERE user_id = :id")
            for org_id in (await tx.execute(memberships, {"id": user_id})).scalars():
                self._record(tx, org_id, f"user.{'activated' if active else 'deactivated'}", user_id)
        return account

    def _record(self, tx: Transaction, org_id: UUID, action: str, resource_id: UUID) -> None:
        """In the log of the organization that it touches, whose members see who did it."""
        there = Actor(self.actor.user_id, org_id, "viewer", self.actor.email, self.actor.name, "")
        record(tx, there, action, action.partition(".")[0], resource_id, {"by": "operator"})


async def _usage(search: str, org_id: UUID | None = None) -> list[UsageOut]:
    async with database().system() as tx:
        rows = (await tx.execute(_USAGE, {"search": search, "id": org_id})).mappings().all()
    return [UsageOut.model_validate(dict(row)) for row in rows]
