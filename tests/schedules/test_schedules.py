"""Schedules: each tick is one run, whoever claims it and however long nobody did."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from agentflow_app.core.database import database
from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.schedules import ticking
from tests.actors import Person, definition, ended, node, published

HOURLY = {"cron": "0 * * * *"}
YEARLY = {"cron": "0 0 1 1 *", "missed": "run_once"}
"""What is due now was so at the new year."""


def _graph(**config: Any) -> dict[str, Any]:
    return definition(
        node("clock", "trigger.schedule", **config),
        node("out", "action.template", template="at {{ trigger.data.scheduled_at }}"),
    )


async def _one(person: Person) -> dict[str, Any]:
    [found] = (await person.client.get("/schedules")).json()["data"]
    shown: dict[str, Any] = found
    return shown


async def _runs(person: Person, agent_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await person.client.get(f"/agents/{agent_id}/executions")).json()["data"]
    return found


async def _due(person: Person, at: datetime) -> None:
    """As if nobody had looked since: the schedule's next time is `at`."""
    async with database().transaction(person.actor) as tx:
        await tx.execute(text("UPDATE schedules SET next_at = :at"), {"at": at})


def _hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def _new_year() -> datetime:
    return _hour().replace(month=1, day=1, hour=0)


async def test_a_due_tick_is_one_run(alice: Person, runtime: ExecutionRuntime) -> None:
    agent_id = await published(alice, _graph(**YEARLY))
    at = _new_year()
    await _due(alice, at)
    assert await ticking.tick() >= 1
    [run] = await _runs(alice, agent_id)
    done = await ended(alice, run["id"])
    told = at.isoformat().replace("+00:00", "Z")
    assert (done["triggered_by"], done["status"]) == ("schedule", "completed")
    assert done["trigger_data"] == {"scheduled_at": told}
    assert done["output"] == {"text": f"at {told}"}
    shown = await _one(alice)
    assert (shown["last_at"], shown["last_execution_id"]) == (told, run["id"])
    assert datetime.fromisoformat(shown["next_at"]) > at
    steps = (await alice.client.get(f"/executions/{run['id']}/steps")).json()["data"]
    assert [step["node_id"] for step in steps] == ["clock", "out"]


async def test_many_schedulers_at_once_and_a_clock_that_goes_back_are_still_one_run(alice: Person) -> None:
    agent_id = await published(alice, _graph(**YEARLY))
    for _ in range(3):
        await _due(alice, _new_year())
        await asyncio.gather(*(ticking.tick() for _ in range(4)))
        assert len(await _runs(alice, agent_id)) == 1


@pytest.mark.parametrize(("missed", "count"), [("skip", 0), ("run_once", 1)])
async def test_after_hours_without_a_scheduler(alice: Person, missed: str, count: int) -> None:
    # Half an hour away from now, so that no tick of its own is due.
    minute = (datetime.now(UTC) + timedelta(minutes=30)).minute
    agent_id = await published(alice, _graph(cron=f"{minute} * * * *", missed=missed))
    following = datetime.fromisoformat((await _one(alice))["next_at"])
    await _due(alice, following - timedelta(hours=5))
    await ticking.tick()
    await ticking.tick()
    runs = await _runs(alice, agent_id)
    last = (following - timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    assert [run["trigger_data"]["scheduled_at"] for run in runs] == [last] * count
    shown = await _one(alice)
    assert datetime.fromisoformat(shown["next_at"]) == following
    assert (shown["last_problem"] is None) == (count == 1)


async def test_pausing_archiving_and_publishing_keep_it_in_step(alice: Person) -> None:
    agent_id = await published(alice, _graph(**HOURLY, timezone="Europe/Berlin"))
    path = f"/agents/{agent_id}"
    shown = await _one(alice)
    assert (shown["status"], shown["cron"], shown["timezone"]) == ("active", "0 * * * *", "Europe/Berlin")
    await alice.client.put(path + "/status", json={"status": "paused"})
    shown = await _one(alice)
    assert (shown["status"], shown["next_at"], shown["upcoming"]) == ("paused", None, [])
    await alice.client.put(path + "/status", json={"status": "active"})
    shown = await _one(alice)
    assert (shown["status"], shown["next_at"]) == ("active", shown["upcoming"][0]["at"])
    # What is due already stays due when the same schedule is published again.
    at = _hour()
    await _due(alice, at)
    await alice.client.post(
        path + "/publish", json={"definition": _graph(**HOURLY, timezone="Europe/Berlin")}
    )
    assert datetime.fromisoformat((await _one(alice))["next_at"]) == at
    await alice.client.post(path + "/publish", json={"definition": _graph(every_seconds=7200)})
    shown = await _one(alice)
    assert (shown["cron"], shown["every_seconds"], shown["timezone"]) == (None, 7200, "UTC")
    assert datetime.fromisoformat(shown["next_at"]) > datetime.now(UTC)
    await alice.client.delete(path)
    assert (await alice.client.get("/schedules")).json()["data"] == []
    await alice.client.put(path + "/status", json={"status": "active"})
    assert (await _one(alice))["every_seconds"] == 7200
    off = {**node("clock", "trigger.schedule", **HOURLY), "disabled": True}
    await alice.client.post(
        path + "/publish", json={"definition": definition(node("go", "trigger.manual"), off, edges=[])}
    )
    assert (await alice.client.get("/schedules")).json()["data"] == []


async def test_what_is_paused_does_not_run(alice: Person) -> None:
    agent_id = await published(alice, _graph(every_seconds=1))
    await alice.client.put(f"/agents/{agent_id}/status", json={"status": "paused"})
    await ticking.tick()
    assert await _runs(alice, agent_id) == []


async def test_two_schedules_of_one_agent_each_fire_by_themselves(
    alice: Person, runtime: ExecutionRuntime
) -> None:
    graph = definition(
        node("hours", "trigger.schedule", **HOURLY),
        node("days", "trigger.schedule", cron="0 0 * * *"),
        node("out", "action.template", template="x"),
        edges=[("hours", "out"), ("days", "out")],
    )
    agent_id = await published(alice, graph)
    async with database().transaction(alice.actor) as tx:
        await tx.execute(text("UPDATE schedules SET missed = 'run_once'"))
    midnight = _hour().replace(hour=0)
    async with database().transaction(alice.actor) as tx:
        await tx.execute(text("UPDATE schedules SET next_at = :at"), {"at": midnight})
    await ticking.tick()
    fired = set()
    for run in await _runs(alice, agent_id):
        await ended(alice, run["id"])
        steps = (await alice.client.get(f"/executions/{run['id']}/steps")).json()["data"]
        fired |= {step["node_id"] for step in steps if step["status"] == "completed"}
    assert {"hours", "days"} <= fired


async def test_the_next_times_are_told_in_utc_and_in_the_zone(alice: Person) -> None:
    agent_id = await published(alice, _graph(cron="30 2 * * *", timezone="Asia/Kathmandu"))
    shown = await _one(alice)
    one = (await alice.client.get(f"/schedules/{shown['id']}")).json()
    assert one == shown
    assert [each["local"][10:] for each in shown["upcoming"]] == ["T02:30:00+05:45"] * 5
    at = [each["at"] for each in shown["upcoming"]]
    assert [each[10:] for each in at] == ["T20:45:00Z"] * 5
    assert at == sorted(set(at))
    config = (await alice.client.get(f"/agents/{agent_id}")).json()["trigger_config"]
    assert config == {"cron": "30 2 * * *", "timezone": "Asia/Kathmandu", "next_runs": at}


async def test_the_list_is_filtered(alice: Person) -> None:
    first = await published(alice, _graph(**HOURLY), name="Morning report")
    second = await published(alice, _graph(every_seconds=60), name="Poll")
    await alice.client.put(f"/agents/{second}/status", json={"status": "paused"})

    async def found(query: str) -> list[str]:
        return [each["agent_id"] for each in (await alice.client.get(f"/schedules?{query}")).json()["data"]]

    assert await found("") == [second, first]
    assert await found("status=active") == [first]
    assert await found("status=paused") == [second]
    assert await found(f"agent_id={second}") == [second]
    assert await found("search=report") == [first]
    page = (await alice.client.get("/schedules?limit=1&order=asc")).json()
    assert await found(f"limit=1&order=asc&cursor={page['next_cursor']}") == [second]


@pytest.mark.parametrize(
    ("config", "field", "says"),
    [
        ({"cron": "61 * * * *"}, "cron", "minute"),
        ({"cron": "* * * * * *"}, "cron", "five fields"),
        ({}, None, "either"),
        ({"cron": "* * * * *", "every_seconds": 5}, None, "either"),
        ({"every_seconds": 0}, "every_seconds", "1"),
        ({**HOURLY, "timezone": "US/Pacific-New"}, "timezone", "US/Pacific-New"),
        ({**HOURLY, "missed": "all"}, "missed", "skip"),
    ],
)
async def test_what_is_no_schedule_is_not_published(
    alice: Person, config: dict[str, Any], field: str | None, says: str
) -> None:
    agent_id = (await alice.client.post("/agents", json={"name": "Agent"})).json()["id"]
    refused = await alice.client.post(f"/agents/{agent_id}/publish", json={"definition": _graph(**config)})
    assert refused.status_code == 422
    [problem] = [
        each for each in refused.json()["error"]["details"]["problems"] if each["severity"] == "error"
    ]
    assert (problem["code"], problem["node_id"], problem["field"]) == ("INVALID_CONFIG", "clock", field)
    assert says in problem["message"]


async def test_a_zone_that_is_no_more_is_told_and_starts_nothing(alice: Person) -> None:
    agent_id = await published(alice, _graph(**HOURLY, timezone="Europe/Berlin", missed="run_once"))
    async with database().transaction(alice.actor) as tx:
        await tx.execute(text("UPDATE schedules SET timezone = 'Mars/Olympus', next_at = now()"))
    await ticking.tick()
    shown = await _one(alice)
    assert (shown["status"], await _runs(alice, agent_id)) == ("paused", [])
    assert "Mars/Olympus" in shown["last_problem"]


async def test_of_a_suspended_organization_nothing_starts(alice: Person, mallory: Person) -> None:
    agent_id = await published(mallory, _graph(**YEARLY))
    await _due(mallory, _new_year())
    suspend = text("UPDATE organizations SET suspended_at = :at WHERE id = :id")
    async with database().system() as tx:
        await tx.execute(suspend, {"at": datetime.now(UTC), "id": mallory.org_id})
    await ticking.tick()
    async with database().system() as tx:
        await tx.execute(suspend, {"at": None, "id": mallory.org_id})
    assert await _runs(mallory, agent_id) == []


async def test_another_organization_sees_nothing_of_it(alice: Person, mallory: Person) -> None:
    await published(alice, _graph(**HOURLY))
    shown = await _one(alice)
    assert (await mallory.client.get("/schedules")).json()["data"] == []
    assert (await mallory.client.get(f"/schedules/{shown['id']}")).status_code == 404


async def test_ticks_are_forgotten_after_a_while(alice: Person) -> None:
    await published(alice, _graph(**YEARLY))
    async with database().transaction(alice.actor) as tx:
        for days in (29, 31):
            note = f"SELECT agent_id, node_id, now() - interval '{days} days', org_id FROM schedules"
            await tx.execute(text(f"INSERT INTO schedule_ticks {note}"))
    await ticking.sweep_ticks()
    async with database().transaction(alice.actor) as tx:
        left = (await tx.execute(text("SELECT count(*) FROM schedule_ticks"))).scalar_one()
    assert left == 1
