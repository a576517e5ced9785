"""The inbox: a form that was filled in goes to the step that asked for it."""

import asyncio
from typing import Any

from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.ui.approvals.state import EXECUTION, STEP, Approvals
from tests.actors import Person, definition, ended, node, published
from tests.ui.conftest import OpenTab

SCHEMA = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "amount": {"type": "integer", "maximum": 500}},
    "required": ["reason"],
}
FORM = definition(node("start", "trigger.manual"), node("ask", "human.input", message="Why?", schema=SCHEMA))


async def test_a_form_is_sent_once_it_fits(
    alice: Person, runtime: ExecutionRuntime, open_tab: OpenTab
) -> None:
    agent_id = await published(alice, FORM)
    run: dict[str, Any] = (await alice.client.post(f"/agents/{agent_id}/execute", json={})).json()
    while run["status"] != "waiting":
        await asyncio.sleep(0.02)
        run = (await alice.client.get(f"/executions/{run['id']}")).json()
    tab = await open_tab(alice, "/approvals")
    await tab.send(Approvals, "load")
    (row,) = tab.state(Approvals).rows
    assert [each.name for each in row.fields] == ["reason", "amount"]
    form = {EXECUTION: row.execution_id, STEP: row.step_id, "reason": "It broke"}

    refused = await tab.send(Approvals, "answer", {**form, "amount": "900"})
    assert "Amount: 900 is greater than the maximum of 500" in str(refused[0].args)
    assert len(tab.state(Approvals).rows) == 1
    await tab.send(Approvals, "answer", {**form, "amount": "90"})
    assert tab.state(Approvals).rows == []
    await ended(alice, run["id"])
    steps = (await alice.client.get(f"/executions/{run['id']}/steps")).json()["data"]
    assert steps[-1]["output_data"]["data"] == {"reason": "It broke", "amount": 90}
