"""Where the servers of a data directory answer, for commands that run beside `agentflow up`."""

import os
from pathlib import Path

from agentflow_app.core.embedded.postgres import Postgres
from agentflow_app.core.embedded.redis import EmbeddedRedis
from agentflow_app.core.embedded.secrets import FILE_NAME, local_secrets
from agentflow_app.core.settings import Settings


def with_embedded(config: Settings) -> Settings:
    """The settings with the addresses of this data directory's own servers, where none are given."""
    if not (config.data_dir / FILE_NAME).exists():
        return config
    kept = local_secrets(config.data_dir)
    nowhere = Path(os.devnull)
    database_url = config.database_url or Postgres(config.data_dir, kept.postgres_password, nowhere).url
    redis_url = config.redis_url or EmbeddedRedis(config.data_dir, kept.redis_password, nowhere).url
    return config.model_copy(update={"database_url": database_url, "redis_url": redis_url})
