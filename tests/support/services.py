"""PostgreSQL and Redis of one's own, and this process' settings over them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from agentflow_app.core import settings as settings_module
from agentflow_app.core.embedded.postgres import Postgres
from agentflow_app.core.embedded.redis import EmbeddedRedis
from agentflow_app.core.embedded.secrets import local_secrets
from agentflow_app.core.migrations import upgrade
from agentflow_app.core.settings import Settings
from tests.support.processes import UNLIMITED, clean_environment


@dataclass(frozen=True)
class Services:
    """The servers and the folder that they live in."""

    data_dir: Path
    postgres: Postgres
    redis: EmbeddedRedis
    secret_key: str


@contextmanager
def own_services(data_dir: Path, *, durable: bool = False) -> Iterator[Services]:
    """`durable`: commits wait for the disk, as they do in earnest."""
    kept = local_secrets(data_dir)
    postgres = Postgres(data_dir, kept.postgres_password, data_dir / "postgres.log")
    redis = EmbeddedRedis(data_dir, kept.redis_password, data_dir / "redis.log")
    try:
        postgres.make()
        if not durable:
            (postgres.cluster / "local.conf").write_text("fsync = off\nsynchronous_commit = off\n")
        postgres.start()
        redis.start()
        yield Services(data_dir, postgres, redis, kept.secret_key)
    finally:
        redis.stop()
        postgres.stop()


@contextmanager
def settings_over(services: Services) -> Iterator[Settings]:
    """The settings of this process, with the schema at its head."""
    given = clean_environment(
        DATABASE_URL=services.postgres.url,
        REDIS_URL=services.redis.url,
        AGENTFLOW_SECRET_KEY=services.secret_key,
        AGENTFLOW_DATA_DIR=str(services.data_dir),
        **UNLIMITED,
    )
    with mock.patch.dict(os.environ, given, clear=True):
        settings_module.settings.cache_clear()
        upgrade(settings_module.settings())
        yield settings_module.settings()
    settings_module.settings.cache_clear()
