"""`agentflow user`: what the operator does for an account."""

import asyncio
import os
from collections.abc import Awaitable
from typing import TypeVar

from agentflow_app.accounts.erasure import operator_erase
from agentflow_app.accounts.recovery import operator_reset_link
from agentflow_app.core.database import close_database
from agentflow_app.core.embedded.addresses import with_embedded
from agentflow_app.core.embedded.secrets import FILE_NAME, local_secrets
from agentflow_app.core.errors import AppError
from agentflow_app.core.settings import settings
from agentflow_app.core.startup import StartupError

Made = TypeVar("Made")


def reset_link(email: str) -> str:
    """Where the account's owner chooses a new password."""
    reach_database()
    return asyncio.run(_done(operator_reset_link(email)))


def erase(email: str) -> None:
    """Refused while an organization would be left to nobody."""
    reach_database()
    asyncio.run(_done(operator_erase(email)))


def reach_database() -> None:
    """Points this process at the installation's database. Raises StartupError."""
    config = with_embedded(settings())
    if not config.database_url:
        raise StartupError("DATABASE_URL is not set, and there is no database in the data directory.")
    os.environ["DATABASE_URL"] = config.database_url
    if not config.secret_key.get_secret_value() and (config.data_dir / FILE_NAME).exists():
        os.environ["AGENTFLOW_SECRET_KEY"] = local_secrets(config.data_dir).secret_key
    settings.cache_clear()


async def _done(work: Awaitable[Made]) -> Made:
    try:
        return await work
    except AppError as error:
        raise StartupError(error.message) from None
    finally:
        await close_database()
