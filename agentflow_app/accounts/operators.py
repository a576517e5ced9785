"""The operators of this installation. Only the command line, as the database's owner, makes one."""

from uuid import UUID

from sqlalchemy import select, text, update
from sqlmodel import col

from agentflow_app.accounts.models import User
from agentflow_app.core.database import Transaction, database
from agentflow_app.core.errors import NotFound
from agentflow_app.core.migrations import owner_connection
from agentflow_app.core.schemas import Output, address_of
from agentflow_app.core.settings import Settings
from agentflow_app.core.tenancy import Actor


class AccountOut(Output):
    id: UUID
    email: str
    name: str
    is_active: bool
    is_operator: bool


class NoSuchAccount(NotFound):
    code = "USER_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such account")


async def is_operator(actor: Actor) -> bool:
    """Read anew each time; never true of a key."""
    if not actor.is_person:
        return False
    query = select(col(User.is_operator)).where(col(User.id) == actor.user_id, col(User.is_active))
    async with database().system() as tx:
        return (await tx.execute(query)).scalar_one_or_none() is True


async def find_account(email: str) -> AccountOut:
    """Raises NoSuchAccount."""
    async with database().system() as tx:
        user = (
            await tx.execute(select(User).where(col(User.email) == address_of(email)))
        ).scalar_one_or_none()
    if user is None:
        raise NoSuchAccount
    return AccountOut.model_validate(user)


async def set_active(tx: Transaction, user_id: UUID, active: bool) -> AccountOut:
    """Everywhere and at once. On the system role. Raises NoSuchAccount."""
    user = (await tx.execute(select(User).where(col(User.id) == user_id))).scalar_one_or_none()
    if user is None:
        raise NoSuchAccount
    await tx.execute(update(User).where(col(User.id) == user_id).values(is_active=active))
    return AccountOut.model_validate(user).model_copy(update={"is_active": active})


def appoint(config: Settings, email: str, operator: bool) -> bool:
    """Whether there is an account with this address."""
    with owner_connection(config) as connection:
        found = connection.execute(
            text("UPDATE users SET is_operator = :operator WHERE email = :email RETURNING id"),
            {"operator": operator, "email": address_of(email)},
        ).first()
        connection.commit()
    return found is not None


def operators(config: Settings) -> list[str]:
    """Their addresses."""
    with owner_connection(config) as connection:
        return list(
            connection.execute(text("SELECT email FROM users WHERE is_operator ORDER BY email")).scalars()
        )
