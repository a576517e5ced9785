"""The providers that a person signs in with: seen, and unlinked."""

from uuid import UUID

from agentflow_app.accounts.active import person_of, user_of
from agentflow_app.accounts.letters import send_notice
from agentflow_app.accounts.proof import ensure_proved
from agentflow_app.accounts.schemas import IdentityOut
from agentflow_app.accounts.trail import note
from agentflow_app.accounts.ways import ensure_not_last
from agentflow_app.core.database import database
from agentflow_app.core.errors import NotFound
from agentflow_app.core.tenancy import Actor
from agentflow_app.sso.identities import forget_identity, identities_of


class IdentityNotFound(NotFound):
    code = "IDENTITY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such linked account; it may have been unlinked already")


async def list_identities(actor: Actor) -> list[IdentityOut]:
    user_id = person_of(actor)
    async with database().system() as tx:
        return [IdentityOut.model_validate(each) for each in await identities_of(tx, user_id)]


async def unlink(actor: Actor, identity_id: UUID) -> None:
    """Raises ProofNeeded, IdentityNotFound (also for another person's) or LastWayIn."""
    user_id = person_of(actor)
    async with database().system() as tx:
        if identity_id not in {each.id for each in await identities_of(tx, user_id)}:
            raise IdentityNotFound
    await ensure_proved(actor, None)
    async with database().system() as tx:
        user = await user_of(tx, user_id, lock=True)
        held = {each.id: each for each in await identities_of(tx, user_id)}
        if identity_id not in held:
            raise IdentityNotFound
        await ensure_not_last(tx, user, identity_id)
        await forget_identity(tx, user_id, identity_id)
        told = {"provider": held[identity_id].kind, "name": held[identity_id].name}
        await note(tx, user, "user.sign_in_provider_unlinked", told)
        await send_notice(
            tx, user.email, f"{held[identity_id].name} was unlinked from your AgentFlow account"
        )
