"""Every event handler of every page, called by those who may not: nothing is written, nothing is told.

A handler is a public address: any client may call it with anything. One that is missing here fails the test.
"""

from dataclasses import dataclass
from typing import Any

import pytest
import reflex as rx

from agentflow_app.agents.schemas import AgentCreate
from agentflow_app.ui.accounts.profile_state import OwnProfile
from agentflow_app.ui.accounts.security_state import Security
from agentflow_app.ui.accounts.state import Door
from agentflow_app.ui.agents.state import Agents
from agentflow_app.ui.api_keys.state import ApiKeys
from agentflow_app.ui.approvals.state import Approvals
from agentflow_app.ui.audit.state import Audit
from agentflow_app.ui.builder.agent_settings import AgentForm
from agentflow_app.ui.builder.state import Builder
from agentflow_app.ui.executions.again import Again
from agentflow_app.ui.executions.comparison_state import Comparison
from agentflow_app.ui.executions.live import Live
from agentflow_app.ui.executions.state import Run, Runs
from agentflow_app.ui.home.state import Home
from agentflow_app.ui.operator.state import Operator
from agentflow_app.ui.organizations.danger_state import Danger
from agentflow_app.ui.organizations.general_state import General
from agentflow_app.ui.organizations.invite_state import Invite
from agentflow_app.ui.organizations.members_state import Members
from agentflow_app.ui.organizations.privacy_state import Privacy
from agentflow_app.ui.organizations.roles_state import Roles
from agentflow_app.ui.organizations.switcher import Switcher
from agentflow_app.ui.organizations.teams_state import Teams
from agentflow_app.ui.ownership import Owner
from agentflow_app.ui.schedules.state import Schedules
from agentflow_app.ui.shell import Shell
from agentflow_app.ui.sso.state import SingleSignOn
from agentflow_app.ui.vault.credentials_state import Credentials
from agentflow_app.ui.vault.secrets_state import Secrets
from tests.actors import People, Person, unique_email
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
PEOPLE = (
    General,
    Privacy,
    Members,
    Teams,
    ApiKeys,
    Danger,
    Switcher,
    Invite,
    Secrets,
    Credentials,
    Operator,
    SingleSignOn,
    Schedules,
)
CONNECTION = {
    "name": "Canary connection",
    "issuer": "https://canary.invalid",
    "client_id": "canary",
    "client_secret": "Canary client secret",
}
OTHER_GRAPH = {"schema_version": 1, "nodes": [], "edges": []}


@dataclass(frozen=True)
class Things:
    """What alice has and others may not touch."""

    agent: str
    execution: str
    step: str = "01900000-0000-7000-8000-000000000000"
    member: str = ""
    team: str = ""
    key: str = ""
    invitation: str = ""
    org: str = ""
    secret: str = ""
    credential: str = ""
    slug: str = ""
    connection: str = ""
    export: str = ""


def calls(things: Things) -> dict[type[rx.State], dict[str, tuple[Any, ...]]]:
    """Arguments for every handler, as hostile as they can be: they name what is alice's."""
    save = {"request": "1", "agent_id": things.agent, "definition": OTHER_GRAPH, "revision": 1}
    return {
        Door: {"load": (), "look": ()},
        Shell: {},
        Owner: {},
        Audit: {
            "load": (),
            "load_more": (),
            "set_search": ("agent",),
            "set_area": ("agent",),
            "show": (things.agent,),
            "set_open_entry": (True,),
            "export": ("jsonl",),
        },
        General: {"load": (), "save": ({"name": "Smuggled", "slug": "smuggled"},)},
        Privacy: {"load": (), "save": ({"run_days": "1", "log_days": "1", "fields": "canary"},)},
        Members: {
            "load": (),
            "load_more": (),
            "set_search": ("x",),
            "set_inviting": (True,),
            "invite": ({"email": "smuggled@example.com", "role": "owner"},),
            "resend": (things.invitation,),
            "withdraw": (things.invitation,),
            "set_role": (things.member, "admin"),
            "ask": ("remove", things.member),
            "set_asking": (True,),
            "activate": (things.member,),
            "confirm": (),
        },
        Roles: {"load": ()},
        Teams: {
            "load": (),
            "open_name": (things.team,),
            "set_naming": (True,),
            "save": ({"name": "Smuggled"},),
            "ask_delete": (things.team,),
            "set_deleting": (True,),
            "delete": (),
            "add": (things.team, things.member),
            "remove": (things.team, things.member),
        },
        ApiKeys: {
            "load": (),
            "load_more": (),
            "set_creating": (True,),
            "create_key": ({"name": "Smuggled", "agents:read": "on"},),
            "ask": ("revoke", things.key),
            "set_asking": (True,),
            "rotate": ({"grace": "0"},),
            "revoke": (),
        },
        Secrets: {
            "load": (),
            "load_more_secrets": (),
            "load_more_variables": (),
            "open_form": ("secret", things.secret),
            "set_open": (True,),
            "ask_delete": ("secret", things.secret),
            "set_deleting": (True,),
            "save": ({"name": "SMUGGLED", "value": "smuggled"},),
            "delete": (),
        },
        Credentials: {
            "load": (),
            "load_more": (),
            "open_form": (things.credential,),
            "set_open": (True,),
            "set_type": ("oauth2",),
            "set_grant": ("refresh_token",),
            "ask_delete": (things.credential,),
            "set_deleting": (True,),
            "open_test": (things.credential,),
            "set_testing": (True,),
            "try_it": ({"url": "https://a.example/"},),
            "save": ({"name": "Smuggled", "value": "smuggled", "hosts": "evil.example"},),
            "delete": (),
            "save_hosts": ({"hosts": "evil.example"},),
        },
        Danger: {
            "load": (),
            "ask": ("transfer",),
            "set_asking": (True,),
            "set_heir": (things.member,),
            "transfer": (),
            "export": (),
            "download": (things.export,),
            "delete": ({"confirm": things.slug, "without_export": "on"},),
        },
        Operator: {
            "load": (),
            "set_search": ("x",),
            "ask": (things.org,),
            "set_asking": (True,),
            "suspend": (),
            "restore": (things.org,),
            "set_locking": (True,),
            "find_account": ({"email": "a@example.com"},),
            "set_account": ("deactivated",),
        },
        SingleSignOn: {
            "load": (),
            "open_form": (things.connection,),
            "set_open": (True,),
            "set_protocol": ("saml",),
            "save": ({"name": "Smuggled", "issuer": "https://evil.example", "client_id": "x"},),
            "test": (things.connection,),
            "verify": (things.connection,),
            "ask_delete": (things.connection,),
            "set_deleting": (True,),
            "delete": (),
            "ask_scim": ("revoke",),
            "close_scim": (True,),
            "close_token": (True,),
            "make_token": (),
            "revoke_token": (),
        },
        Switcher: {
            "open_menu": (True,),
            "choose": (things.org,),
            "set_creating": (True,),
        },
        Invite: {"load": (), "accept": ()},
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
            "refresh_names": (),
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
        AgentForm: {
            "open_form": (),
            "set_open": (True,),
            "save": ({"name": "Smuggled", "error_agent_id": things.agent},),
        },
        Runs: {
            "load": (),
            "load_more": (),
            "set_search": ("x",),
            "set_status": ("failed",),
            "set_kind": ("all",),
            "clear": (),
            "choose": (things.execution,),
            "clear_choice": (),
        },
        Comparison: {"load": (), "choose": ("ask",), "only_what_differs": (True,)},
        Run: {"load": (), "run_again": ()},
        Schedules: {"load": (), "load_more": (), "set_search": ("x",)},
        Live: {
            "select_step": (things.step,),
            "select_node": ("ask",),
            "download": ("output",),
            "cancel": (),
            "set_comment": ("x",),
            "set_edited": ("x",),
            "decide": ("approved",),
        },
        Again: {
            "resume": (),
            "resolve": ("done",),
            "set_asking": (True,),
            "set_draft": ("x",),
            "replay": (False,),
        },
        Approvals: {
            "load": (),
            "set_comment": (things.step, "x"),
            "set_edit": (things.step, "x"),
            "decide": (things.execution, things.step, "approved"),
            "answer": (
                {"agentflow:execution": things.execution, "agentflow:step": things.step, "value": "x"},
            ),
        },
        # Last: what one does to one's own login ends it.
        OwnProfile: {
            "load": (),
            "save": ({"name": ""},),
            "change_email": ({"email": "smuggled@example.com"},),
            "send_verification": (),
            "export_data": (),
            "ask": ("delete",),
            "set_asking": (True,),
            "delete_account": ({"confirm": "x"},),
            "set_proving": (True,),
            "prove": ({"password": "a guess"},),
            "begin_passkey_proof": (),
            "finish_passkey_proof": ({"rawId": "AAAA"},),
            "fail_passkey_proof": ("x",),
        },
        Security: {
            "load": (),
            "ask": ("session", things.step),
            "set_asking": (True,),
            "change_password": ({"old_password": "a guess", "new_password": "smuggled in"},),
            "set_password": ({"new_password": "smuggled in"},),
            "confirm_totp": ({"code": "000000"},),
            "renew_codes": (),
            "disable_totp": ({"code": "000000"},),
            "begin_passkey": ({"name": "x"},),
            "finish_passkey": ({"rawId": "AAAA"},),
            "fail_passkey": ("x",),
            "rename_passkey": ({"name": "x"},),
            "remove_passkey": (),
            "unlink": (),
            "set_proving": (True,),
            "prove": ({"password": "a guess"},),
            "begin_passkey_proof": (),
            "finish_passkey_proof": ({"rawId": "AAAA"},),
            "fail_passkey_proof": ("x",),
            "end_session": (),
            "end_everything": (),
        },
    }


OWN = {Danger: {"leave"}, Switcher: {"create_organization"}}
"""Anybody may leave, or make an organization of their own; what comes of it is tested beside the service."""
BACKGROUND = {(Danger, "follow"), (Home, "watch"), (Runs, "watch"), (Live, "follow")}
"""They only read, as the actor that they look up first; the e2e tests follow them."""


def test_every_handler_is_listed() -> None:
    known = calls(Things("", ""))
    for kind, handlers in OWN.items():
        known[kind] = known[kind] | dict.fromkeys(handlers, ())
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
    scopes = {"name": f"{CANARY} key", "scopes": ["agents:read"]}
    invitation = {"email": unique_email("canary"), "role": "viewer"}
    secret = {"name": "CANARY", "value": "Canary value", "description": "Canary secret"}
    credential = {"name": "Canary", "type": "bearer", "value": "Canary-token", "allowed_hosts": ["a.example"]}
    await alice.post("/org/sso/scim-token")
    await alice.post("/org/variables", json={"name": "canary", "value": "Canary variable"})
    return Things(
        agent,
        started.json()["id"],
        member=str(people.erin.actor.user_id),
        team=(await alice.post("/org/teams", json={"name": f"{CANARY} team"})).json()["id"],
        key=(await alice.post("/org/api-keys", json=scopes)).json()["id"],
        invitation=(await alice.post("/org/invitations", json=invitation)).json()["id"],
        org=str(people.alice.org_id),
        secret=(await alice.post("/org/secrets", json=secret)).json()["id"],
        credential=(await alice.post("/org/credentials", json=credential)).json()["id"],
        connection=(await alice.post("/org/sso", json=CONNECTION)).json()["id"],
        slug=(await alice.get("/org")).json()["slug"],
        export=(await alice.post("/org/export")).json()["id"],
    )


async def everything(alice: Person) -> list[Any]:
    """All that alice has, as she sees it."""
    agents = (await alice.client.get("/agents")).json()
    drafts = [(await alice.client.get(f"/agents/{agent['id']}/draft")).json() for agent in agents["data"]]
    paths = ("/executions", "/org", "/org/members", "/org/teams", "/org/api-keys", "/org/invitations")
    paths += (
        "/org/exports",
        "/org/secrets",
        "/org/variables",
        "/org/credentials",
        "/org/sso",
        "/org/sso/scim-token",
    )
    return [agents, drafts, *[(await alice.client.get(path)).json() for path in paths]]


def tamper(tab: Tab, things: Things) -> None:
    """What `setvar` lets any client do: point the states at alice's things and claim rights."""
    builder, live, agents, home = tab.state(Builder), tab.state(Live), tab.state(Agents), tab.state(Home)
    builder.agent.id, builder.agent.name = things.agent, "Known name"
    live.run.id, live.run.agent_id = things.execution, things.agent
    live.detail.id = things.step
    agents.leaving.id, agents.name = things.agent, "Smuggled"
    home.sample.id = things.agent
    tab.state(Shell).can_write = True
    members, teams, keys, danger = tab.state(Members), tab.state(Teams), tab.state(ApiKeys), tab.state(Danger)
    members.target.id, members.asking, members.editable = things.member, "remove", True
    teams.target.id, teams.editable = things.team, True
    keys.target.id, keys.editable = things.key, True
    secrets, credentials = tab.state(Secrets), tab.state(Credentials)
    secrets.target.id, secrets.kind, secrets.edits_secrets = things.secret, "secret", True
    credentials.target.id, credentials.type, credentials.editable = things.credential, "bearer", True
    danger.heir, danger.owner = things.member, True
    sso, operator = tab.state(SingleSignOn), tab.state(Operator)
    sso.target.id, sso.editable = things.connection, True
    operator.target.id, operator.account.id = things.org, things.member


async def send_everything(tab: Tab, things: Things) -> list[Any]:
    answers = []
    for kind, handlers in calls(things).items():
        for name, arguments in handlers.items():
            tamper(tab, things)
            answers += await tab.send(kind, name, *arguments)
    return answers


def shown(tab: Tab) -> str:
    return str(
        [
            tab.state(kind).dict()
            for kind in (Home, Agents, Builder, Runs, Run, Live, Again, Approvals, Shell, *PEOPLE)
        ]
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
