"""Transactions of one round trip: shared, each in its tenant, and whole again after a connection is gone."""

import asyncio

import psycopg
import pytest
from sqlalchemy import text

from agentflow_app.core import lanes as module
from agentflow_app.core.database import database
from agentflow_app.core.errors import Unavailable
from agentflow_app.core.lanes import Batches, Lanes, lanes
from tests.actors import Person

WHO = b"SELECT current_setting('app.org_id', true)"
COUNT = b"SELECT count(*) FROM organizations"


async def test_each_transaction_is_in_its_own_tenant(alice: Person, mallory: Person) -> None:
    one = Lanes("app", 1)
    for person in (alice, mallory, alice):
        rows = await one.transact(person.actor.org_id, [(WHO, {}), (COUNT, {})])
        assert rows == [[(str(person.actor.org_id),)], [(1,)]]
    assert (await one.transact(None, [(COUNT, {})]))[0] == [(0,)]
    await one.close()


async def test_what_fails_leaves_nothing_and_the_next_goes_on(alice: Person) -> None:
    one = Lanes("app", 1)
    org_id = alice.actor.org_id
    rename = (b"UPDATE organizations SET name = 'half done' WHERE id = %(id)s", {"id": org_id})
    with pytest.raises(psycopg.errors.DivisionByZero):
        await one.transact(org_id, [rename, (b"SELECT 1 / 0", {})])
    names = await one.transact(org_id, [(b"SELECT name FROM organizations", {})])
    assert names[0] != [("half done",)]
    await one.close()


async def test_more_goes_through_than_fits_on_the_way(alice: Person) -> None:
    """Each side has to hear the other before it has said everything."""
    one = Lanes("app", 1)
    text = "x" * 10_000_000
    echo = (b"SELECT %(text)s::text, 5 %% 3, %(text)s::text, %(n)s::int", {"text": text, "n": 1})
    for n in (1, 100_000):
        answers = await one.transact(alice.actor.org_id, [(echo[0], {**echo[1], "n": n})] * 3)
        assert answers == [[(text, 2, text, n)]] * 3
    await one.close()


async def test_a_connection_that_was_cut_is_made_anew(alice: Person) -> None:
    org_id = alice.actor.org_id
    ((pid,),) = (await lanes().transact(org_id, [(b"SELECT pg_backend_pid()", {})]))[0]
    async with database().transaction(alice.actor) as tx:
        await tx.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    for _ in range(4):  # whichever lane is lent
        try:
            await lanes().transact(org_id, [(COUNT, {})])
        except Unavailable:
            continue
    assert (await lanes().transact(org_id, [(COUNT, {})]))[0] == [(1,)]


async def test_a_standby_that_took_over_counts_as_away(alice: Person) -> None:
    """It refuses to write for a moment, which says nothing of what is written."""
    one = Lanes("app", 1)
    only_reads = (b"SET LOCAL transaction_read_only = on", {})
    with pytest.raises(Unavailable):
        await one.transact(alice.actor.org_id, [only_reads, (b"DELETE FROM organizations", {})])
    assert await one.transact(alice.actor.org_id, [(COUNT, {})]) == [[(1,)]]
    await one.close()


async def test_so_it_does_where_requests_write(alice: Person) -> None:
    async def write() -> None:
        async with database().transaction(alice.actor) as tx:
            await tx.execute(text("SET LOCAL transaction_read_only = on"))
            await tx.execute(text("DELETE FROM organizations"))

    with pytest.raises(Unavailable):
        await write()


async def test_a_database_that_hangs_counts_as_away(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Lanes("app", 1)
    monkeypatch.setattr(module, "LONGEST_SECONDS", 0.2)
    with pytest.raises(Unavailable):
        await one.transact(alice.actor.org_id, [(b"SELECT pg_sleep(60)", {})])
    monkeypatch.undo()
    assert await one.transact(alice.actor.org_id, [(COUNT, {})]) == [[(1,)]]
    await one.close()


async def test_what_is_asked_meanwhile_is_done_together() -> None:
    sizes: list[int] = []
    go = asyncio.Event()

    async def together(items: list[int]) -> list[int | Exception]:
        sizes.append(len(items))
        await go.wait()
        return [ValueError(item) if item == 3 else item * 2 for item in items]

    batches: Batches[int, int] = Batches(together, at_once=1)
    asked = [asyncio.create_task(batches.ask(0))]
    while not sizes:
        await asyncio.sleep(0)
    asked += [asyncio.create_task(batches.ask(n)) for n in range(1, 6)]
    await asyncio.sleep(0)
    asked[4].cancel()
    go.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert answers[:3] == [0, 2, 4]
    assert isinstance(answers[3], ValueError)
    assert isinstance(answers[4], asyncio.CancelledError)
    assert answers[5] == 10
    assert sizes == [1, 5]


async def test_when_all_fail_all_are_told() -> None:
    async def together(items: list[int]) -> list[int | Exception]:
        raise RuntimeError("no")

    batches: Batches[int, int] = Batches(together)
    for answer in await asyncio.gather(*(batches.ask(n) for n in range(3)), return_exceptions=True):
        assert isinstance(answer, RuntimeError)
