"""What is kept about a person, put together for them from every organization that they belong to."""

from agentflow_app.accounts import active, passkeys, profile, second_factor
from agentflow_app.accounts.api_keys import keys_of_person
from agentflow_app.audit.schemas import AuditEntry
from agentflow_app.audit.trail import AuditTrail
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import database
from agentflow_app.core.tenancy import Actor, role_of
from agentflow_app.executions.service import ExecutionService
from agentflow_app.organizations.membership import Belonging, belongings
from agentflow_app.organizations.teams import TeamService
from agentflow_app.privacy.schemas import Decision, OwnPlace, PersonalData, SignInProvider
from agentflow_app.sso.social import linked

_DECISIONS = ("execution.approved", "execution.rejected")


async def personal_data(actor: Actor) -> PersonalData:
    """One's own. Raises Forbidden for a key. That it was asked for is noted."""
    user_id = active.person_of(actor)
    shown = PersonalData(
        exported_at=utcnow(),
        profile=await profile.read_profile(actor),
        second_factor=await second_factor.show(actor),
        passkeys=await passkeys.list_passkeys(actor),
        sessions=await active.list_sessions(actor),
        sign_in_providers=[SignInProvider.model_validate(each) for each in await linked(user_id)],
        organizations=[await _place(actor, each) for each in await belongings(user_id)],
    )
    await profile.note_export(actor)
    return shown


async def _place(actor: Actor, belonging: Belonging) -> OwnPlace:
    """In the organization's own tenant."""
    there = Actor(
        actor.user_id, belonging.id, role_of(belonging.role), actor.email, actor.name, belonging.name
    )
    async with database().transaction(there) as tx:
        entries = await AuditTrail(tx, there).own()
        return OwnPlace(
            id=belonging.id,
            name=belonging.name,
            role=belonging.role,
            status=belonging.status,
            joined_at=belonging.joined_at,
            teams=list(await TeamService(tx, there).own_names()),
            api_keys=await keys_of_person(tx, there),
            executions=await ExecutionService(tx, there).started(),
            approvals=[_decision(entry) for entry in entries if entry.action in _DECISIONS],
            audit_entries=entries,
        )


def _decision(entry: AuditEntry) -> Decision:
    return Decision(
        execution_id=entry.resource_id,
        step_id=entry.details.get("step_id"),
        node_id=entry.details.get("node_id"),
        decision=entry.action.rpartition(".")[2],
        decided_at=entry.created_at,
    )
