"""Persons as other features may know them: members of the transaction's organization."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlmodel import col

from agentflow_app.accounts.models import PUBLIC_USER, User
from agentflow_app.core.database import Transaction
from agentflow_app.core.pagination import like
from agentflow_app.core.schemas import Output


class PersonOut(Output):
    id: UUID
    name: str
    email: str
    is_active: bool


async def find_people(tx: Transaction, ids: Collection[UUID]) -> dict[UUID, PersonOut]:
    """Those of `ids` whom the tenant sees."""
    if not ids:
        return {}
    rows = await tx.execute(select(User).options(PUBLIC_USER).where(col(User.id).in_(ids)))
    return {user.id: PersonOut.model_validate(user) for user in rows.scalars()}


async def names_of(tx: Transaction, user_ids: set[UUID]) -> dict[UUID, str]:
    """By id; who is no member of the transaction's organization is left out."""
    return {user_id: person.name for user_id, person in (await find_people(tx, user_ids)).items()}


def matching(term: str) -> Select[UUID]:
    """The ids of those whose name or address contains `term`, as a subquery."""
    pattern = like(term)
    return select(col(User.id)).where(or_(col(User.name).ilike(pattern), col(User.email).ilike(pattern)))


def within(domains: Collection[str]) -> Select[UUID]:
    """The ids of those whose address is in one of the domains, as a subquery."""
    return select(col(User.id)).where(func.split_part(col(User.email), "@", 2).in_(domains))


async def member_address(tx: Transaction, email: str) -> UUID | None:
    """The member with this address."""
    return (await tx.execute(select(col(User.id)).where(col(User.email) == email))).scalar_one_or_none()
