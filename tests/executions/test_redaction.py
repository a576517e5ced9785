"""What an organization hides is gone from a run once it has ended, wherever it was noted."""

from typing import Any
from uuid import UUID

from sqlalchemy import text

from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.executions.redaction import REDACTED, Redaction
from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.executions.stream import follow
from tests.actors import Person, definition, ended, node, published

CANARY = "078-05-1120"
GRAPH = definition(
    node("start", "trigger.manual"),
    node(
        "copy",
        "action.set",
        values={"SSN": "{{ trigger.data.ssn }}", "people": "{{ trigger.data.people }}", "kept": "yes"},
    ),
    node("review", "human.approval", message="Good?", show={"card_number": "{{ trigger.data.ssn }}"}),
    node(
        "after",
        "action.set",
        values={"length": "{{ node_copy.output.SSN | length }}", "card_x": "{{ node_copy.output.SSN }}"},
    ),
    edges=[("start", "copy"), ("copy", "review"), ("review", "after", "approved")],
)
DATA = {"ssn": CANARY, "people": [[{"name": "Ann", "Card_No": {"deep": CANARY}}], {"ssn": [CANARY]}], "n": 1}
TABLES = ("executions", "execution_steps", "execution_logs", "execution_events", "idempotency_keys")


def test_names_are_found_in_any_case_and_by_their_beginning() -> None:
    redaction = Redaction(["SSN", "card_*", "straße"])
    assert [redaction.hides(name) for name in ("ssn", "Ssn", "CARD_", "card_no", "STRASSE")] == [True] * 5
    assert [redaction.hides(name) for name in ("ssns", "card", "my_ssn", "", "*")] == [False] * 5
    value = {"a": [1, {"ssn": {"x": 1}}, ({"card_1": None},)], "b": "ssn"}
    assert redaction.value(value) == {"a": [1, {"ssn": REDACTED}, [{"card_1": REDACTED}]], "b": "ssn"}
    untouched = {"a": [1, {"b": None}], "c": 1.5}
    assert redaction.value(untouched) is untouched


async def _stored(person: Person, execution_id: str) -> str:
    """All that the database has of it."""
    parts = []
    async with database().transaction(person.actor) as tx:
        for table in TABLES:
            where = {"executions": "id = :id", "idempotency_keys": "headers ->> 'location' LIKE :like"}
            query = f"SELECT t::text FROM {table} t WHERE {where.get(table, 'execution_id = :id')}"
            if table == "idempotency_keys":
                query = query.replace("t::text", "encode(body, 'escape')")
            parameters = {"id": UUID(execution_id), "like": f"%{execution_id}"}
            used = {name: value for name, value in parameters.items() if f":{name}" in query}
            parts += list((await tx.execute(text(query), used)).scalars())
    return "\n".join(parts)


async def _decided(person: Person, execution_id: str) -> None:
    async for event in follow(person.actor, UUID(execution_id)):
        if event["type"] == "execution.waiting":
            break
    answer = await person.client.post(f"/executions/{execution_id}/approve", json={"decision": "approved"})
    assert answer.status_code == 200, answer.text


async def _hide(person: Person, *names: str) -> None:
    answer = await person.client.put("/org", json={"settings": {"redact_fields": list(names)}})
    assert answer.status_code == 200, answer.text


async def test_a_run_works_with_what_is_hidden_and_then_forgets_it(
    alice: Person, runtime: ExecutionRuntime
) -> None:
    await _hide(alice, "ssn", "card_*")
    agent_id = await published(alice, GRAPH)
    headers = {"Idempotency-Key": new_id().hex}
    call: dict[str, Any] = {"json": {"trigger_data": DATA}, "headers": headers}
    started = (await alice.client.post(f"/agents/{agent_id}/execute", **call)).json()
    run_id = started["id"]
    await _decided(alice, run_id)
    run = await ended(alice, run_id)
    assert run["status"] == "completed", run
    assert run["output"] == {"length": len(CANARY), "card_x": REDACTED}
    assert run["trigger_data"] == {
        "ssn": REDACTED,
        "people": [[{"name": "Ann", "Card_No": REDACTED}], {"ssn": REDACTED}],
        "n": 1,
    }
    assert CANARY not in await _stored(alice, run_id)
    events = [event async for event in follow(alice.actor, UUID(run_id))]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert CANARY not in str(events)
    async with alice.client.stream("GET", f"/executions/{run_id}/events") as stream:
        replayed = "".join([chunk async for chunk in stream.aiter_text()])
    assert "execution.completed" in replayed
    assert CANARY not in replayed
    for path in (f"/executions/{run_id}", f"/executions/{run_id}/steps", f"/executions/{run_id}/logs"):
        assert CANARY not in (await alice.client.get(path)).text
    again = await alice.client.post(f"/agents/{agent_id}/execute", **call)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json()["id"] == run_id
    assert CANARY not in again.text


async def test_whoever_listens_to_the_end_hears_nothing_hidden_in_it(
    alice: Person, runtime: ExecutionRuntime
) -> None:
    await _hide(alice, "card_*")
    agent_id = await published(alice, GRAPH)
    answer = await alice.client.post(f"/agents/{agent_id}/execute", json={"trigger_data": DATA})
    run_id = answer.json()["id"]
    last: dict[str, Any] = {}
    async for event in follow(alice.actor, UUID(run_id)):
        last = event
        if event["type"] == "execution.waiting":
            await alice.client.post(f"/executions/{run_id}/approve", json={"decision": "approved"})
    assert last["type"] == "execution.completed"
    assert last["output"]["card_x"] == REDACTED


async def test_dry_runs_forget_too_and_other_organizations_keep(
    alice: Person, mallory: Person, runtime: ExecutionRuntime
) -> None:
    await _hide(alice, "SSN", "Card_*")
    graph = definition(GRAPH["nodes"][0], GRAPH["nodes"][1])
    found = {}
    for person in (alice, mallory):
        agent_id = await published(person, graph)
        body = {"trigger_data": DATA, "pins": {"start": {"ssn": CANARY}}}
        answer = await person.client.post(f"/agents/{agent_id}/test", json=body)
        assert answer.status_code == 202, answer.text
        await ended(person, answer.json()["id"])
        found[person.actor.user_id] = await _stored(person, answer.json()["id"])
    assert CANARY not in found[alice.actor.user_id]
    assert CANARY in found[mallory.actor.user_id]


async def test_the_details_of_a_failure_are_redacted(alice: Person, runtime: ExecutionRuntime) -> None:
    redaction = Redaction(["secret_part", "code", "details"])
    error = {"code": "X", "message": "m", "node_id": "n", "details": {"secret_part": CANARY, "a": 1}}
    assert redaction.inside(error) == {**error, "details": {"secret_part": REDACTED, "a": 1}}
    event = {"type": "step.failed", "seq": 1, "error": error}
    assert redaction.event(event)["error"]["details"] == {"secret_part": REDACTED, "a": 1}
    assert redaction.event(event)["error"]["code"] == "X"
