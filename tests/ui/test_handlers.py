"""Every event handler of every page, called by those who may not: nothing is written, nothing is told.

A handler is a public address: any client may call it with anything. One that is missing here fails the test.
"""

from dataclasses import dataclass
from typing import Any

import pytest
import reflex as rx

from agentflow_app.agents.schemas import AgentCreate
from agentflow_app.ui.accounts.state import Door
from agentflow_app.ui.agents.state import Agents
from agentflow_app.ui.approvals.state import Approvals
from agentflow_app.ui.builder.state import Builder
from agentflow_app.ui.executions.live import Live
from agentflow_app.ui.executions.state import Run, Runs
from agentflow_app.ui.home.state import Home
from agentflow_app.ui.shell import Shell
from tests.actors import People, Person
from tests.ui.conftest import OpenTab, Tab

CANARY = "Canary agent"
GRAPH = {
    "schema_version": 1,
    "nodes": [
        {
            "id": "ask",
            "type": "human",
            "subtype": "approval",
            "config": {"message": "Canary question"},
            "position": {"x": 0, "y": 0},
        }
    ],
    "edges": [],
}
OTHER_GRAPH = {"schema_version": 1, "nodes": [], "edges": []}


@dataclass(frozen=True)
class Things:
    """What alice has and others may not touch."""

    agent: str
    execution: str
    step: str = "01900000-0000-7000-8000-000000000000"


def calls(things: Things) -> dict[type[rx.State], dict[str, tuple[Any, ...]]]:
    """Arguments for every handler, as hostile as they can be: they name what is alice's."""
    save = {"request": "1", "agent_id": things.agent, "definition": OTHER_GRAPH, "revision": 1}
    return {
        Door: {"load": ()},
        Shell: {},
        Home: {"load": (), "run_sample": ()},
        Agents: {
            "load": (),
            "load_more": (),
            "set_search": ("x",),
            "set_status": ("active",),
            "clear": (),
            "open_new": ("blank",),
            "set_creating": (True,),
            "set_source": ("blank",),
            "set_name": ("Smuggled",),
            "set_pasted": ("{}",),
            "create_agent": (),
            "set_agent_status": (things.agent, "paused"),
            "ask_archive": (things.agent, "x"),
            "set_confirm_open": (True,),
            "archive": (),
        },
        Builder: {
            "load": (),
            "save": (save,),
            "take_theirs": (),
            "rename": ("Smuggled",),
            "set_sample": ("{}",),
            "set_tab": ("run",),
            "set_drawer": (True,),
            "test": (GRAPH,),
            "run": (),
            "open_publish": (OTHER_GRAPH,),
            "set_publish_open": (True,),
            "set_message": ("x",),
            "publish": (OTHER_GRAPH,),
        },
        Runs: {
            "load": (),
            "load_more": (),
            "set_search": ("x",),
            "set_status": ("failed",),
            "set_kind": ("all",),
            "clear": (),
        },
        Run: {"load": (), "run_again": ()},
        Live: {
            "select_step": (things.step,),
            "select_node": ("ask",),
            "cancel": (),
            "set_comment": ("x",),
            "set_edited": ("x",),
            "decide": ("approved",),
        },
        Approvals: {
            "load": (),
            "set_comment": (things.step, "x"),
            "set_edit": (things.step, "x"),
            "decide": (things.execution, things.step, "approved"),
        },
    }


BACKGROUND = {(Home, "watch"), (Runs, "watch"), (Live, "follow")}
"""They only read, as the actor that they look up first; the e2e tests follow them."""


def test_every_handler_is_listed() -> None:
    known = calls(Things("", ""))
    for state in rx.State.get_substates():
        if not state.__module__.startswith("agentflow_app."):
            continue
        handlers = {name for name in state.event_handlers if name != "setvar"}
        listed = set(known[state]) | {name for kind, name in BACKGROUND if kind is state}
        assert handlers == listed, state.__name__


@pytest.fixture
async def things(people: People) -> Things:
    alice = people.alice.client
    body = AgentCreate(name=CANARY, definition=GRAPH).model_dump(mode="json", exclude_unset=True)
    agent = (await alice.post("/agents", json=body)).json()["id"]
    assert (await alice.post(f"/agents/{agent}/publish", json={})).status_code == 201
    started = await alice.post(f"/agents/{agent}/execute", json={"trigger_data": {}})
    return Things(agent, started.json()["id"])


async def everything(alice: Person) -> list[Any]:
    """All that alice has, as she sees it."""
    agents = (await alice.client.get("/agents")).json()
    drafts = [(await alice.client.get(f"/agents/{agent['id']}/draft")).json() for agent in agents["data"]]
    return [agents, drafts, (await alice.client.get("/executions")).json()]


def tamper(tab: Tab, things: Things) -> None:
    """What `setvar` lets any client do: point the states at alice's things and claim rights."""
    builder, live, agents, home = tab.state(Builder), tab.state(Live), tab.state(Agents), tab.state(Home)
    builder.agent.id, builder.agent.name = things.agent, "Known name"
    live.run.id, live.run.agent_id = things.execution, things.agent
    live.detail.id = things.step
    agents.leaving.id, agents.name = things.agent, "Smuggled"
    home.sample.id = things.agent
    tab.state(Shell).can_write = True


async def send_everything(tab: Tab, things: Things) -> list[Any]:
    answers = []
    for kind, handlers in calls(things).items():
        for name, arguments in handlers.items():
            tamper(tab, things)
            answers += await tab.send(kind, name, *arguments)
    return answers


def shown(tab: Tab) -> str:
    return str(
        [tab.state(kind).dict() for kind in (Home, Agents, Builder, Runs, Run, Live, Approvals, Shell)]
    )


@pytest.mark.parametrize("cookie", ["", "agentflow_session=expired-or-made-up", "agentflow_session="])
async def test_without_a_session_nothing_is_written_and_nothing_told(
    people: People, things: Things, open_tab: OpenTab, cookie: str
) -> None:
    before = await everything(people.alice)
    tab = await open_tab(None, f"/agents/{things.agent}", cookie=cookie)
    await send_everything(tab, things)
    assert await everything(people.alice) == before
    assert "Canary" not in shown(tab)
    assert people.alice.actor.email not in shown(tab)


async def test_another_organization_sees_and_changes_nothing(
    people: People, things: Things, open_tab: OpenTab
) -> None:
    before = await everything(people.alice)
    for path in (f"/agents/{things.agent}", f"/runs/{things.execution}"):
        tab = await open_tab(people.mallory, path)
        await send_everything(tab, things)
        assert "Canary" not in shown(tab)
    assert await everything(people.alice) == before


async def test_a_viewer_sees_all_and_changes_nothing(
    people: People, things: Things, open_tab: OpenTab
) -> None:
    before = await everything(people.alice)
    tab = await open_tab(people.bob, f"/agents/{things.agent}")
    await send_everything(tab, things)
    assert await everything(people.alice) == before
    assert "Canary" in shown(tab)
    assert tab.state(Builder).draft["read_only"] is True


async def test_the_page_leads_a_visitor_without_a_session_to_the_login(open_tab: OpenTab) -> None:
    tab = await open_tab(None, "/agents")
    (answer,) = await tab.send(Agents, "load")
    assert "/login?next=/agents" in str(answer.args)


async def test_a_failure_names_its_request(people: People, open_tab: OpenTab) -> None:
    tab = await open_tab(people.alice, "/agents/not-an-id")
    await tab.send(Builder, "load")
    failure = tab.state(Builder).failure
    assert failure.status == 404
    assert len(failure.request_id) == 36
