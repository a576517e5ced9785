"""Transactions: hooks after the commit only, dead connections replaced, a database that is away said so."""

import asyncio

import pytest
from sqlalchemy import text

from agentflow_app.core.database import Database, database
from agentflow_app.core.errors import Unavailable
from agentflow_app.core.settings import Settings
from tests.actors import Person


async def test_hooks_run_after_the_commit_and_never_after_a_rollback(alice: Person) -> None:
    ran: list[str] = []

    async def later() -> None:
        ran.append("async")

    async with database().transaction(alice.actor) as tx:
        tx.after_commit(lambda: ran.append("sync"))
        tx.after_commit(later)
        assert ran == []
    assert ran == ["sync", "async"]

    async def fail() -> None:
        async with database().transaction(alice.actor) as tx:
            tx.after_commit(lambda: ran.append("never"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert ran == ["sync", "async"]


async def test_a_hook_that_hangs_or_fails_is_nobodys_trouble(
    alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    released, ran = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        await released.wait()

    def fail() -> None:
        raise RuntimeError("no notice")

    async with asyncio.timeout(60), database().transaction(alice.actor) as tx:
        for hook in (fail, hang, ran.set):
            tx.after_commit(hook)
    assert not ran.is_set()
    released.set()
    async with asyncio.timeout(60):
        await ran.wait()
    assert "A notice was not sent" in caplog.text


async def test_cut_connections_are_replaced_unnoticed(alice: Person, settings: Settings) -> None:
    one = Database(settings)
    async with one.transaction(alice.actor) as tx:
        pid = (await tx.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    from agentflow_app.core.migrations import owner_connection

    with owner_connection(settings) as owner:
        owner.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    async with one.transaction(alice.actor) as tx:
        assert (await tx.execute(text("SELECT count(*) FROM org_memberships"))).scalar_one() == 4
    await one.close()


async def test_a_connection_cut_in_the_middle_is_unavailable(alice: Person) -> None:
    with pytest.raises(Unavailable):
        async with database().transaction(alice.actor) as tx:
            await tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


async def test_a_database_that_is_away_is_unavailable(settings: Settings) -> None:
    away = settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:9/nothing"})
    lost = Database(away)
    with pytest.raises(Unavailable):
        async with lost.transaction():
            pass
    with pytest.raises(Unavailable):
        async with lost.system() as tx:
            await tx.execute(text("SELECT 1"))
    await lost.close()
