"""Real services for every test: PostgreSQL, Redis, a migrated database, a whole installation, a browser."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings as hypothesis_settings
from playwright.async_api import Browser, async_playwright

from agentflow_app.core.settings import Settings
from tests.support.chromium import FLAGS, MISSING, find_chromium
from tests.support.processes import Installation, free_port
from tests.support.services import Services, own_services, settings_over

pytest_plugins = ["tests.actors"]

# A busy machine is slow now and then; no example fails for the time that it takes.
hypothesis_settings.register_profile("patient", deadline=None)
hypothesis_settings.load_profile("patient")


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
    folder = tempfile.TemporaryDirectory(prefix="agentflow-tests-", ignore_cleanup_errors=True)
    with folder as name, own_services(Path(name)) as started:
        yield started


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
    with settings_over(services) as config:
        yield config


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
