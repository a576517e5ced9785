"""The page of two runs: what it lists, and what it says of a step."""

from typing import Any

from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.ui.executions.comparison_state import Comparison
from agentflow_app.ui.executions.differences import LINES, WHOLE
from tests.actors import Person, definition, ended, node, published
from tests.ui.conftest import OpenTab

GRAPH = definition(
    node("start", "trigger.manual"),
    node("first", "action.set", values={"word": "{{ trigger.data.word }}", "n": 1}),
    node("same", "action.template", template="always"),
    node("long", "action.template", template="{{ trigger.data.lines }}"),
)


async def _run(person: Person, agent_id: str, **data: Any) -> str:
    answer = await person.client.post(f"/agents/{agent_id}/execute", json={"trigger_data": data})
    return str((await ended(person, answer.json()["id"]))["id"])


async def test_what_differs_is_listed_and_shown_line_by_line(
    alice: Person, runtime: ExecutionRuntime, open_tab: OpenTab
) -> None:
    agent_id = await published(alice, GRAPH)
    lines = [f"line {n}" for n in range(20)]
    one = await _run(alice, agent_id, word="old", lines="\n".join(lines))
    lines[10] = "another line"
    two = await _run(alice, agent_id, word="new", lines="\n".join(lines))
    tab = await open_tab(alice, f"/runs/{one}/compare/{two}")
    await tab.send(Comparison, "load")
    state = tab.state(Comparison)
    assert state.failure.status == 0
    rows = {row.key: row for row in state.rows}
    assert list(rows) == [WHOLE, "start", "first", "same", "long"]
    assert rows[WHOLE].told == "Trigger data, Output"
    assert (rows["first"].change, rows["first"].told) == ("changed", "Output")
    assert rows["same"].change in ("same", "figures")
    assert [row.key for row in state.shown] == [WHOLE, "start", "first", "long"]
    assert state.quiet == 1
    await tab.send(Comparison, "only_what_differs", False)
    assert len(state.shown) == 5
    await tab.send(Comparison, "choose", "first")
    (value,) = state.detail.changes
    assert [(line.mark, line.text.strip()) for line in value.lines] == [
        (" ", "{"),
        (" ", '"n": 1,'),
        ("-", '"word": "old"'),
        ("+", '"word": "new"'),
        (" ", "}"),
    ]
    await tab.send(Comparison, "choose", "same")
    assert state.detail.changes == []
    await tab.send(Comparison, "choose", "nothing there")
    assert state.detail.key == "same"


async def test_a_replay_with_another_config_says_so(
    alice: Person, runtime: ExecutionRuntime, open_tab: OpenTab
) -> None:
    one = await _run(alice, await published(alice, GRAPH), word="old", lines="x")
    body = {"from_node": "first", "configs": {"same": {"template": "changed"}}}
    replay = (await alice.client.post(f"/executions/{one}/replay", json=body)).json()["id"]
    await ended(alice, replay)
    tab = await open_tab(alice, f"/runs/{one}/compare/{replay}")
    await tab.send(Comparison, "load")
    state = tab.state(Comparison)
    assert state.right.replay_of == state.left.id
    rows = {row.key: row for row in state.rows}
    assert rows["same"].told == "Config, Output"
    await tab.send(Comparison, "choose", "same")
    assert [value.title for value in state.detail.changes] == ["Config", "Output"]
    assert [line.text for line in state.detail.changes[0].lines if line.mark == "+"] == [
        '  "template": "changed"'
    ]


async def test_steps_that_one_run_alone_has_and_values_without_end(
    alice: Person, runtime: ExecutionRuntime, open_tab: OpenTab
) -> None:
    graph = definition(
        node("start", "trigger.manual"),
        node("make", "action.set", values={"all": "{{ trigger.data.items }}"}),
        node("each", "logic.loop", items="{{ trigger.data.items[:2] }}"),
        node("body", "action.set", values={"n": "{{ item }}"}),
        edges=[("start", "make"), ("make", "each"), ("each", "body", "each"), ("body", "each")],
    )
    agent_id = await published(alice, graph)
    one = await _run(alice, agent_id, items=[1])
    two = await _run(alice, agent_id, items=list(range(LINES * 3)))
    tab = await open_tab(alice, f"/runs/{one}/compare/{two}")
    await tab.send(Comparison, "load")
    state = tab.state(Comparison)
    rows = {row.key: row for row in state.rows}
    assert (rows["body/1"].change, rows["body/1"].left.status) == ("one", "")
    assert rows["body/1"].told == "Only in the second"
    await tab.send(Comparison, "choose", "make")
    (value,) = state.detail.changes
    assert value.part
    assert len(value.lines) <= 2 * LINES
    await tab.send(Comparison, "choose", "body/1")
    assert (state.detail.changes, state.detail.right.status) == ([], "completed")


async def test_the_runs_of_others_are_not_there(
    alice: Person, mallory: Person, runtime: ExecutionRuntime, open_tab: OpenTab
) -> None:
    one = await _run(alice, await published(alice, GRAPH), word="old", lines="x")
    theirs = await _run(mallory, await published(mallory, GRAPH), word="x", lines="y")
    for path in (f"/runs/{one}/compare/{theirs}", f"/runs/{theirs}/compare/{one}", f"/runs/{one}/compare/x"):
        tab = await open_tab(alice, path)
        await tab.send(Comparison, "load")
        assert tab.state(Comparison).failure.status == 404
        assert tab.state(Comparison).rows == []
