"""Every page handler of a tab that stays open after its person was put out: it writes and tells nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
import reflex as rx
from fastapi import FastAPI

from agentflow_app.accounts.sessions import SESSION_COOKIE, Identity, end_sessions, open_page_session
from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions import stream
from agentflow_app.ui.accounts.profile_state import OwnProfile
from agentflow_app.ui.accounts.security_state import Security
from agentflow_app.ui.builder.state import Builder
from agentflow_app.ui.executions.live import Live
from agentflow_app.ui.executions.state import Run
from agentflow_app.ui.organizations import danger_state
from agentflow_app.ui.organizations.danger_state import Danger
from agentflow_app.ui.organizations.invite_state import Invite
from tests.actors import Person, join, new_people
from tests.core.test_access import World
from tests.core.test_canary import CANARY, planting, things_of
from tests.core.test_canary_streams import _follow
from tests.support.owner import alter
from tests.ui.conftest import Tab
from tests.ui.test_handlers import BACKGROUND, OWN, Things, calls, tamper

GUARDED = "guarded5b1e"
"""In what an owner sees and a viewer does not. Names of secrets are for whoever sees agents."""
GIVEN = (CANARY, GUARDED, '["success"]', "base64,", "/exports/")
"""What is said, shown, or sent as a file to who may have it."""
ELSEWHERE = (Builder, Run, Invite)
"""Their pages are at addresses of their own."""


@pytest.fixture(scope="module")
async def world(api: FastAPI) -> AsyncIterator[World]:
    """One for all: each way puts out somebody of its own, and nothing else may change."""
    async with new_people(api) as people, planting(api, people) as made:
        alice = people.alice.client
        credential = {"name": "Known", "type": "bearer", "value": "a value", "allowed_hosts": ["a.example"]}
        things = {
            "secrets": {"name": "KNOWN", "value": "a value", "description": GUARDED},
            "credentials": {**credential, "description": GUARDED},
            "api-keys": {"name": GUARDED, "scopes": ["agents:read"]},
            "sso": {"name": GUARDED, "issuer": "https://x.invalid", "client_id": "x", "client_secret": "x"},
            "invitations": {"email": f"{GUARDED}-{new_id().hex}@example.com", "role": "viewer"},
        }
        for path, body in things.items():
            added = await alice.post(f"/org/{path}", json=body)
            assert added.status_code == 201, added.text
        yield made


@dataclass(frozen=True)
class Sitting:
    """Somebody of alice's organization before an open tab that shows all of its pages."""

    world: World
    person: Person
    session: UUID
    tab: Tab
    things: Things

    async def send(self, kind: type[rx.State], handler: str, *arguments: Any) -> str:
        """What the browser gets for it."""
        tamper(self.tab, self.things)
        self.tab.root._clean()
        answers = await self.tab.send(kind, handler, *arguments)
        return self.said(answers)

    def said(self, answers: list[Any]) -> str:
        told = [getattr(answer, "args", answer) for answer in answers]
        return f"{self.tab.root.get_delta()} {told}".lower()

    def trace(self, postgres_url: str) -> dict[str, str]:
        """Theirs, too, in the place of bob's."""
        people = replace(self.world.people, bob=self.person)
        return replace(self.world, people=people).trace(postgres_url)


async def _sit_down(api: FastAPI, world: World, *, operator: bool = False) -> Sitting:
    person = await join(api, world.alice, "late", "owner")
    if operator:
        await alter("UPDATE users SET is_operator = true WHERE id = %s", person.actor.user_id)
    session = new_id()
    async with database().system() as tx:
        identity = Identity(person.actor.user_id or new_id(), world.alice.org_id, session)
        cookie = f"{SESSION_COOKIE}={await open_page_session(tx, identity)}"
    things = await things_of(world)
    tab = Tab(cookie, "/")
    loading = [kind for kind in calls(things) if "load" in kind.event_handlers]
    for kind in loading:
        if kind not in ELSEWHERE:
            await tab.send(kind, "load")
    for path, kind in ((f"/agents/{things.agent}", Builder), (f"/runs/{things.execution}", Run)):
        tab.path = path
        tab.connect(cookie)
        await tab.send(kind, "load")
    return Sitting(world, person, session, tab, things)


async def _ended(sitting: Sitting) -> None:
    async with database().system() as tx:
        await end_sessions(tx, sitting.person.actor.user_id or new_id(), only=sitting.session)


async def _expired(sitting: Sitting) -> None:
    await alter("UPDATE page_sessions SET expires_at = now() WHERE id = %s", sitting.session)


async def _removed(sitting: Sitting) -> None:
    path = f"/org/members/{sitting.person.actor.user_id}"
    assert (await sitting.world.alice.client.delete(path)).status_code == 204


async def _deactivated(sitting: Sitting) -> None:
    path = f"/org/members/{sitting.person.actor.user_id}/status"
    done = await sitting.world.alice.client.put(path, json={"status": "deactivated"})
    assert done.status_code == 200, done.text


async def _locked_out(sitting: Sitting) -> None:
    await alter("UPDATE users SET is_active = false WHERE id = %s", sitting.person.actor.user_id)


async def _made_viewer(sitting: Sitting) -> None:
    lowered = "UPDATE org_memberships SET role = 'viewer' WHERE user_id = %s"
    await alter(lowered, sitting.person.actor.user_id)


PUT_OUT: dict[str, Callable[[Sitting], Awaitable[None]]] = {
    "session ended": _ended,
    "session expired": _expired,
    "membership removed": _removed,
    "member deactivated": _deactivated,
    "account locked": _locked_out,
}


async def test_the_tab_showed_it_all(api: FastAPI, world: World) -> None:
    """Without this, the tests below could look for what was never there."""
    sitting = await _sit_down(api, world)
    for kind, handlers in calls(sitting.things).items():
        if "load" in handlers and kind not in ELSEWHERE:
            told = await sitting.send(kind, "load")
            assert "rx_state" in told, kind
    shown = str(sitting.tab.root.dict()).lower()
    assert shown.count(CANARY) > 20
    assert shown.count(GUARDED) >= 5
    assert CANARY in await sitting.send(Live, "select_node", "ask")


@pytest.mark.parametrize("way", PUT_OUT)
async def test_who_was_put_out_writes_nothing_and_is_told_nothing(
    api: FastAPI, world: World, way: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(danger_state, "FOLLOW_SECONDS", 0.01)
    sitting = await _sit_down(api, world, operator=True)
    await PUT_OUT[way](sitting)
    before = sitting.trace(postgres_url)
    told = {}
    for kind, handlers in _every(sitting.things).items():
        for handler, arguments in handlers.items():
            said = await sitting.send(kind, handler, *arguments)
            if any(each in said for each in GIVEN):
                told[kind.__name__, handler] = said
        assert sitting.trace(postgres_url) == before, kind
    for kind, handler in sorted(BACKGROUND, key=str):
        sitting.tab.root._clean()
        async with asyncio.timeout(120):
            said = sitting.said([await _follow(sitting.tab, kind, handler)])
        if any(each in said for each in GIVEN):
            told[kind.__name__, handler] = said
    assert told == {}


async def test_who_became_a_viewer_writes_nothing_and_is_told_what_viewers_are(
    api: FastAPI, world: World, postgres_url: str
) -> None:
    sitting = await _sit_down(api, world)
    await _made_viewer(sitting)
    before = sitting.trace(postgres_url)
    told = {}
    for kind, handlers in calls(sitting.things).items():
        for handler, arguments in handlers.items():
            said = await sitting.send(kind, handler, *arguments)
            if GUARDED in said:
                told[kind.__name__, handler] = said
        # What one tries at one's own account is noted, whatever one's role.
        assert kind in (OwnProfile, Security) or sitting.trace(postgres_url) == before, kind
    assert told == {}


def _every(things: Things) -> dict[type[rx.State], dict[str, tuple[Any, ...]]]:
    """Also what anybody may do to themselves, as long as they are in."""
    found = calls(things)
    for kind, handlers in OWN.items():
        named = {name: ({"name": "Smuggled"},) if "create" in name else () for name in handlers}
        found[kind] = found[kind] | named
    return found


@pytest.mark.parametrize(("kind", "handler"), sorted(BACKGROUND, key=str), ids=str)
async def test_what_a_page_follows_ends_with_its_login(
    api: FastAPI, world: World, kind: type[rx.State], handler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "PUT_OUT_SECONDS", 0.05)
    monkeypatch.setattr(stream, "RECHECK_SECONDS", 0.05)
    monkeypatch.setattr(danger_state, "FOLLOW_SECONDS", 0.01)
    sitting = await _sit_down(api, world)
    sitting.tab.state(Danger).pending = True
    begun, still_in = asyncio.Event(), stream.ensure_still_in

    async def ensure(actor: Actor) -> None:
        begun.set()
        await still_in(actor)

    monkeypatch.setattr(stream, "ensure_still_in", ensure)
    following = asyncio.create_task(_follow(sitting.tab, kind, handler))
    async with asyncio.timeout(120):
        if kind is not Danger:
            await begun.wait()
    await _ended(sitting)
    async with asyncio.timeout(120):
        said = str(getattr(await following, "args", ""))
    assert "/login?next=" in said or kind is Danger
