"""Code nodes in runs: on a worker's runtime, and what is published of them."""

import pytest

from agentflow_app.executions.runtime import ExecutionRuntime
from tests.actors import Person, definition, ended, node, published

CODE = definition(
    node("start", "trigger.manual"),
    node(
        "total",
        "action.code",
        code="print('adding')\n{'total': sum(inputs['amounts'])}",
        inputs={"amounts": "{{ trigger.data.amounts }}"},
    ),
    node("say", "action.template", template="{{ node_total.output.total }}"),
    edges=[("start", "total"), ("total", "say")],
)


async def test_code_computes_in_a_run(alice: Person, runtime: ExecutionRuntime) -> None:
    agent_id = await published(alice, CODE)
    for amounts, total in (([1, 2, 3], "6"), ([4], "4")):
        sent = {"trigger_data": {"amounts": amounts}}
        accepted = (await alice.client.post(f"/agents/{agent_id}/execute", json=sent)).json()
        run = await ended(alice, accepted["id"])
        assert run["output"] == {"text": total}
        (entry,) = (await alice.client.get(f"/executions/{run['id']}/logs")).json()["data"]
        assert entry["message"] == "adding\n"


async def test_code_that_goes_wrong_fails_the_run_with_its_line(
    alice: Person, runtime: ExecutionRuntime
) -> None:
    agent_id = await published(alice, CODE)
    sent = {"trigger_data": {"amounts": [None]}}
    accepted = (await alice.client.post(f"/agents/{agent_id}/execute", json=sent)).json()
    run = await ended(alice, accepted["id"])
    assert (run["status"], run["error"]["code"], run["error"]["node_id"]) == (
        "failed",
        "CODE_FAILED",
        "total",
    )
    assert run["error"]["message"].startswith("Line 2: TypeError: ")


@pytest.mark.parametrize(("levels", "status"), [(100, "completed"), (101, "failed"), (480, "failed")])
async def test_what_is_nested_deeply_is_shown_or_refused(
    alice: Person, runtime: ExecutionRuntime, levels: int, status: str
) -> None:
    """What came out could be so deep that nobody writes it down, or reads it."""
    deep = f"x = 1\nfor i in range({levels}): x = [x]\nx"
    agent_id = await published(alice, definition(node("deep", "action.code", code=deep)))
    accepted = (await alice.client.post(f"/agents/{agent_id}/execute", json={})).json()
    run = await ended(alice, accepted["id"])
    assert run["status"] == status
    steps = (await alice.client.get(f"/executions/{run['id']}/steps")).json()["data"]
    assert [step["status"] for step in steps] == [status]
    assert status == "completed" or "deeper than 100 levels" in run["error"]["message"]


async def test_code_that_cannot_be_read_is_not_published(alice: Person) -> None:
    agent = (await alice.client.post("/agents", json={"name": "Code"})).json()
    wrong = definition(
        node("start", "trigger.manual"), node("a", "action.code", code="x = ("), edges=[("start", "a")]
    )
    answer = await alice.client.post(
        f"/agents/{agent['id']}/publish", json={"definition": wrong, "change_message": "x"}
    )
    assert answer.status_code == 422
    (problem,) = answer.json()["error"]["details"]["problems"]
    assert (problem["code"], problem["node_id"], problem["field"]) == ("INVALID_CONFIG", "a", "code")
