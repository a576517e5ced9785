"""A run's page shows the beginning of what is large, and gives all of it as a file."""

import base64
import json
import re

import pytest

from agentflow_app.core.settings import settings as current_settings
from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.ui.executions.again import Again
from agentflow_app.ui.executions.live import Live
from agentflow_app.ui.executions.state import Run
from tests.actors import Person, definition, ended, node, published
from tests.ui.conftest import OpenTab


async def test_the_page_is_light_and_the_file_is_whole(
    alice: Person, runtime: ExecutionRuntime, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current_settings(), "payload_bytes", 2048)
    graph = definition(node("start", "trigger.manual"), node("make", "action.code", code="['x' * 900] * 9"))
    agent_id = await published(alice, graph)
    run_id = (await alice.client.post(f"/agents/{agent_id}/execute", json={})).json()["id"]
    await ended(alice, run_id)
    tab = await open_tab(alice, f"/runs/{run_id}")
    await tab.send(Run, "load")
    await tab.send(Live, "select_node", "make")
    detail = tab.state(Live).detail
    assert (detail.part_of_output, detail.part_of_input) == (True, False)
    assert len(str(detail.output)) < 6000
    (answer,) = await tab.send(Live, "download", "output")
    sent = re.search(r"base64,([^\"']+)", str(answer.args))
    assert sent is not None
    assert json.loads(base64.b64decode(sent[1])) == ["x" * 900] * 9
    data = tab.state(Live).data
    assert (data.part_of_output, data.part_of_trigger) == (True, False)
    for part, told in (("result", "base64"), ("trigger", "base64,e30=")):
        (answer,) = await tab.send(Live, "download", part)
        assert told in str(answer.args)
    await tab.send(Again, "set_asking", True)
    assert tab.state(Again).draft == ""
