"""The settings of an agent, as they are changed in the builder."""

from agentflow_app.ui.builder.agent_settings import AgentForm
from agentflow_app.ui.builder.state import Builder
from tests.actors import GREETING, Person, published
from tests.ui.conftest import OpenTab


async def test_what_is_saved_is_what_the_agent_has(alice: Person, open_tab: OpenTab) -> None:
    agent_id, other = await published(alice, GREETING), await published(alice, GREETING, name="Alarm")
    url = f"/agents/{agent_id}"
    tab = await open_tab(alice, url)
    await tab.send(Builder, "load")
    await tab.send(AgentForm, "open_form")
    state = tab.state(AgentForm)
    assert (tab.state(Builder).settings_open, state.row.timeout_seconds, state.row.max_retries) == (
        True,
        "3600",
        "3",
    )
    assert (state.row.max_cost, state.row.error_agent_id) == ("", "")
    assert [each.path for each in state.others] == [other]
    form = {
        "name": "Greeter",
        "description": "Says hello",
        "timeout_seconds": "90.5",
        "max_retries": "0",
        "concurrency_limit": "",
        "max_cost": "1.50",
        "max_steps": "200",
        "error_agent_id": other,
    }
    await tab.send(AgentForm, "save", form)
    assert (tab.state(Builder).settings_open, state.error) == (False, "")
    shown = (await alice.client.get(url)).json()
    assert (shown["name"], shown["description"]) == ("Greeter", "Says hello")
    assert shown["settings"] == {
        "timeout_seconds": 90.5,
        "max_retries": 0,
        "concurrency_limit": None,
        "max_cost": "1.50",
        "max_steps": 200,
        "error_agent_id": other,
    }
    assert tab.state(Builder).agent.name == "Greeter"
    await tab.send(AgentForm, "open_form")
    assert (state.row.max_cost, state.row.timeout_seconds, state.row.max_steps) == ("1.5", "90.5", "200")
    await alice.client.delete(f"/agents/{other}")
    await tab.send(AgentForm, "open_form")
    assert [each.path for each in state.others] == [other]


async def test_what_cannot_be_is_said_in_the_dialog(
    alice: Person, mallory: Person, open_tab: OpenTab
) -> None:
    agent_id, theirs = await published(alice, GREETING), await published(mallory, GREETING)
    tab = await open_tab(alice, f"/agents/{agent_id}")
    await tab.send(Builder, "load")
    await tab.send(AgentForm, "open_form")
    before = (await alice.client.get(f"/agents/{agent_id}")).json()
    state = tab.state(AgentForm)
    for field, value, told in (
        ("timeout_seconds", "soon", "Timeout seconds: "),
        ("max_steps", "0", "Max steps: "),
        ("error_agent_id", theirs, "there is no such agent"),
    ):
        await tab.send(AgentForm, "save", {"name": "Greeter", field: value})
        assert told in state.error
        assert tab.state(Builder).settings_open
    assert (await alice.client.get(f"/agents/{agent_id}")).json() == before
    await tab.send(Builder, "load")
    assert not tab.state(Builder).settings_open
