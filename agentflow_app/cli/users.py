"""`agentflow user`: what the operator does for an account."""

import asyncio
import os

from agentflow_app.accounts.recovery import operator_reset_link
from agentflow_app.core.database import close_database
from agentflow_app.core.embedded.addresses import with_embedded
from agentflow_app.core.embedded.secrets import FILE_NAME, local_secrets
from agentflow_app.core.errors import NotFound
from agentflow_app.core.settings import settings
from agentflow_app.core.startup import StartupError


def reset_link(email: str) -> str:
    """Where the account's owner chooses a new password."""
    reach_database()
    return asyncio.run(_made(email))


def reach_database() -> None:
    """Points this process at the installation's database. Raises StartupError."""
    config = with_embedded(settings())
    if not config.database_url:
        raise StartupError("DATABASE_URL is not set, and there is no database in the data directory.")
    os.environ["DATABASE_URL"] = config.database_url
    if not config.secret_key.get_secret_value() and (config.data_dir / FILE_NAME).exists():
        os.environ["AGENTFLOW_SECRET_KEY"] = local_secrets(config.data_dir).secret_key
    settings.cache_clear()


async def _made(email: str) -> str:
    try:
        return await operator_reset_link(email)
    except NotFound as error:
        raise StartupError(error.message) from None
    finally:
        await close_database()
