"""The chain: any entry changed, left out, moved or added shows."""

import asyncio

import pytest
from sqlalchemy import text

from agentflow_app.audit import chain
from agentflow_app.audit.service import record
from agentflow_app.core import migrations
from agentflow_app.core.database import database
from agentflow_app.core.settings import Settings
from tests.actors import Person

ACTS = 5


@pytest.fixture
async def org(alice: Person) -> str:
    for number in range(ACTS):
        await alice.client.post("/agents", json={"name": f"Agent {number}"})
    return str(alice.org_id)


def broken_at(settings: Settings, org: str, *statements: str) -> int | None:
    """Where the chain breaks after what somebody with all rights did to it."""
    with migrations.owner_connection(settings) as connection:
        connection.execute(text("ALTER TABLE audit_logs DISABLE TRIGGER USER"))
        for statement in statements:
            connection.execute(text(statement), {"org": org})
        found = chain.check_all(connection)[org]
        connection.rollback()
    assert found.intact is (found.broken_at is None)
    return found.broken_at


SET = "UPDATE audit_logs SET {} WHERE org_id = :org AND seq = {}"
CUT = "DELETE FROM audit_logs WHERE org_id = :org"


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        (SET.format("action = 'agent.deleted'", 3), 3),
        (SET.format("details = '{}'", 1), 1),
        (SET.format("user_id = NULL", 5), 5),
        (SET.format("personal = 'x'", 2), 2),
        (SET.format("created_at = created_at - interval '1 day'", 4), 4),
        (SET.format("hash = audit_digest(audit_logs), action = action || 'x'", 3), 3),
        (CUT + " AND seq = 2", 2),
        (CUT + " AND seq = 5", 5),
        (CUT, 1),
        ("UPDATE audit_heads SET hash = 'x' WHERE org_id = :org", 5),
    ],
)
async def test_what_was_done_to_the_trail_shows(
    settings: Settings, org: str, statement: str, place: int
) -> None:
    assert broken_at(settings, org) is None
    assert broken_at(settings, org, statement) == place


async def test_even_its_owner_cannot_change_the_trail_by_mistake(settings: Settings, org: str) -> None:
    for statement in ("DELETE FROM organizations WHERE id = :org", "UPDATE audit_logs SET action = 'x'"):
        with migrations.owner_connection(settings) as connection:
            if statement.startswith("UPDATE"):
                with pytest.raises(Exception, match="append-only"):
                    connection.execute(text(statement))
            else:
                connection.execute(text(statement), {"org": org})
                assert chain.check_all(connection)[org].entries == ACTS
            connection.rollback()


async def test_many_at_once_make_one_chain(alice: Person, bob: Person) -> None:
    async def act(person: Person, number: int) -> None:
        async with database().transaction(person.actor) as tx:
            record(tx, person.actor, "agent.opened", "agent", None, {"number": number})

    await asyncio.gather(*(act(person, number) for number in range(15) for person in (alice, bob)))
    found = (await alice.client.get("/org/audit-logs/chain")).json()
    assert (found["entries"], found["intact"]) == (30, True)


async def test_two_organizations_chains_stand_apart(alice: Person, mallory: Person) -> None:
    for person in (alice, mallory, alice):
        await person.client.post("/agents", json={"name": "x"})
    mine, theirs = [(await p.client.get("/org/audit-logs/chain")).json() for p in (alice, mallory)]
    assert (mine["entries"], theirs["entries"]) == (2, 1)
    assert mine["head"] != theirs["head"]
