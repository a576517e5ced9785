"""Real services for every test: PostgreSQL and Redis of this session, one migrated database."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from agentflow_app.core import settings as settings_module
from agentflow_app.core.embedded.postgres import Postgres
from agentflow_app.core.embedded.redis import EmbeddedRedis
from agentflow_app.core.embedded.secrets import local_secrets
from agentflow_app.core.settings import Settings


@dataclass(frozen=True)
class Services:
    """The session's servers and the folder that they live in."""

    data_dir: Path
    postgres: Postgres
    redis: EmbeddedRedis
    secret_key: str


@pytest.fixture(scope="session")
def services() -> Iterator[Services]:
    with tempfile.TemporaryDirectory(prefix="agentflow-tests-", ignore_cleanup_errors=True) as folder:
        data_dir = Path(folder)
        kept = local_secrets(data_dir)
        postgres = Postgres(data_dir, kept.postgres_password, data_dir / "postgres.log")
        redis = EmbeddedRedis(data_dir, kept.redis_password, data_dir / "redis.log")
        try:
            postgres.make()
            (postgres.cluster / "local.conf").write_text("fsync = off\nsynchronous_commit = off\n")
            postgres.start()
            redis.start()
            yield Services(data_dir, postgres, redis, kept.secret_key)
        finally:
            redis.stop()
            postgres.stop()


@pytest.fixture(scope="session")
def redis_url(services: Services) -> str:
    return services.redis.url


@pytest.fixture(scope="session")
def empty_postgres_url(services: Services) -> str:
    """The owner's URL of a database without any tables, for tests of the migrations."""
    with psycopg.connect(services.postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE agentflow_empty")
    return services.postgres.url.replace("/agentflow?", "/agentflow_empty?")


@pytest.fixture(scope="session")
def settings(services: Services) -> Iterator[Settings]:
    """The settings of this process, over the session's servers, with the schema at its head.

    Tests share the database and each makes organizations of its own, as tenants do.
    """
    from agentflow_app.core.migrations import upgrade

    given = {
        "DATABASE_URL": services.postgres.url,
        "REDIS_URL": services.redis.url,
        "AGENTFLOW_SECRET_KEY": services.secret_key,
        "AGENTFLOW_DATA_DIR": str(services.data_dir),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AGENTFLOW_")]:
            patch.delenv(name)
        for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
            patch.delenv(name, raising=False)
        for name, value in given.items():
            patch.setenv(name, value)
        settings_module.settings.cache_clear()
        config = settings_module.settings()
        upgrade(config)
        yield config
    settings_module.settings.cache_clear()


@pytest.fixture(scope="session")
def postgres_url(settings: Settings) -> str:
    """The owner's URL of the migrated database."""
    return settings.database_url
