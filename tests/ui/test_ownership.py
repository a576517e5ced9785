"""One tab and one person after another: a state that somebody filled is shown to nobody else."""

import pytest
from reflex.event import Event

from agentflow_app.accounts.sessions import SESSION_COOKIE, Identity, end_sessions, open_page_session
from agentflow_app.core.database import database
from agentflow_app.core.errors import Unavailable
from agentflow_app.core.ids import new_id
from agentflow_app.ui import ownership
from agentflow_app.ui.agents.state import Agents
from tests.actors import People, Person
from tests.ui.conftest import OpenTab, Tab

CANARY = "canary4d1c"
HYDRATE = "reflex___state____state.hydrate_and_load"
OTHER = "reflex___state____state.set_is_hydrated"


async def _cookie(person: Person) -> tuple[str, Identity]:
    who = Identity(person.actor.user_id or new_id(), person.org_id, new_id())
    async with database().system() as tx:
        return f"{SESSION_COOKIE}={await open_page_session(tx, who)}", who


async def _before(tab: Tab, name: str) -> None:
    from agentflow_app.agentflow_app import app

    await app._preprocess(tab.root, Event(name=name))


def _told(tab: Tab) -> str:
    return str(tab.root.dict())


async def _filled(person: Person, cookie: str, open_tab: OpenTab) -> Tab:
    await person.client.post("/agents", json={"name": CANARY})
    tab = await open_tab(person, "/agents", cookie=cookie)
    await _before(tab, HYDRATE)
    await tab.send(Agents, "load")
    assert CANARY in _told(tab)
    return tab


async def test_it_stays_while_its_person_does(alice: Person, open_tab: OpenTab) -> None:
    cookie, _ = await _cookie(alice)
    tab = await _filled(alice, cookie, open_tab)
    for name in (HYDRATE, OTHER, HYDRATE):
        await _before(tab, name)
    assert CANARY in _told(tab)


@pytest.mark.parametrize("name", [HYDRATE, OTHER])
@pytest.mark.parametrize("kind", ["nobody", "made up", "another person", "another login"])
async def test_whoever_comes_next_gets_an_empty_one(
    people: People, open_tab: OpenTab, name: str, kind: str
) -> None:
    cookie, _ = await _cookie(people.alice)
    tab = await _filled(people.alice, cookie, open_tab)
    others = {"another person": people.mallory, "another login": people.alice}
    made_up = {"nobody": "", "made up": f"{SESSION_COOKIE}=x"}
    tab.connect((await _cookie(others[kind]))[0] if kind in others else made_up[kind])
    await _before(tab, name)
    assert CANARY not in _told(tab)
    assert people.alice.actor.email not in _told(tab)


@pytest.mark.parametrize("way", ["ended", "deactivated", "removed"])
async def test_who_was_put_out_is_shown_nothing_more(people: People, open_tab: OpenTab, way: str) -> None:
    erin = people.erin
    cookie, who = await _cookie(erin)
    tab = await _filled(erin, cookie, open_tab)
    path = f"/org/members/{erin.actor.user_id}"
    if way == "ended":
        async with database().system() as tx:
            await end_sessions(tx, who.user_id, only=who.session_id)
    elif way == "deactivated":
        await people.alice.client.put(f"{path}/status", json={"status": "deactivated"})
    else:
        await people.alice.client.delete(path)
    await _before(tab, HYDRATE)
    assert CANARY not in _told(tab)


async def test_nothing_is_shown_where_nobody_can_tell(
    alice: Person, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie, _ = await _cookie(alice)
    tab = await _filled(alice, cookie, open_tab)

    async def away(secret: str | None) -> None:
        raise Unavailable("The database is away")

    monkeypatch.setattr(ownership, "actor_for_session", away)
    await _before(tab, HYDRATE)
    assert CANARY not in _told(tab)
