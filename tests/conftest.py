"""Real services for every test: PostgreSQL, Redis, a migrated database, a whole installation, a browser."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from playwright.async_api import Browser, async_playwright

from agentflow_app.core import settings as settings_module
from agentflow_app.core.embedded.postgres import Postgres
from agentflow_app.core.embedded.redis import EmbeddedRedis
from agentflow_app.core.embedded.secrets import local_secrets
from agentflow_app.core.settings import Settings
from tests.support.chromium import FLAGS, MISSING, find_chromium
from tests.support.processes import UNLIMITED, Installation, clean_environment, free_port

pytest_plugins = ["tests.actors"]


@dataclass(frozen=True)
class Services:
    """The session's servers and the folder that they live in."""

    data_dir: Path
    postgres: Postgres
    redis: EmbeddedRedis
    secret_key: str


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="A skipped test is a failure")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped: {report.longrepr}"


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
        **UNLIMITED,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) - set(clean_environment()):
            patch.delenv(name)
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


@pytest.fixture(scope="session")
def stack() -> Iterator[Installation]:
    """`agentflow up` as users start it: web, worker, scheduler and the stores, on a port of their own."""
    with tempfile.TemporaryDirectory(prefix="agentflow-stack-", ignore_cleanup_errors=True) as folder:
        installation = Installation(Path(folder) / "data", free_port())
        installation.share_builds()
        try:
            installation.start()
            yield installation
        finally:
            installation.stop()


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = find_chromium()
    assert path is not None, MISSING
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield launched
        await launched.close()
