"""What the builder offers its forms: names of what the organization has, and the triggers' addresses."""

from agentflow_app.ui.builder.state import Builder
from tests.actors import GREETING, Person, published
from tests.ui.conftest import OpenTab


async def test_requests_and_letters_choose_among_their_own_credentials(
    alice: Person, open_tab: OpenTab
) -> None:
    tab = await open_tab(alice, f"/agents/{await published(alice, GREETING)}")
    await tab.send(Builder, "load")
    state = tab.state(Builder)
    assert (state.credentials, state.mail_servers, state.secrets) == ([], [], [])
    token = {"name": "Stripe", "type": "bearer", "value": "token-1234", "allowed_hosts": ["api.stripe.com"]}
    mail = {
        "name": "Post",
        "type": "smtp",
        "host": "smtp.example.com",
        "username": "robot@example.com",
        "password": "a password",
        "allowed_hosts": ["smtp.example.com"],
    }
    for made in (token, mail):
        answer = await alice.client.post("/org/credentials", json=made)
        assert answer.status_code == 201, answer.text
    await alice.client.post("/org/secrets", json={"name": "SIGNING", "value": "signing-secret"})
    await tab.send(Builder, "refresh_names")
    assert [row.label for row in state.credentials] == ["Stripe"]
    assert [row.label for row in state.mail_servers] == ["Post"]
    assert [row.path for row in state.secrets] == ["{{ secrets.SIGNING }}"]


async def test_addresses_are_there_before_there_is_a_trigger_for_them(
    alice: Person, bob: Person, open_tab: OpenTab
) -> None:
    agent_id = await published(alice, GREETING)
    tab = await open_tab(alice, f"/agents/{agent_id}")
    await tab.send(Builder, "load")
    head = tab.state(Builder).agent
    assert "/hooks/" in head.webhook_url
    assert "/public/forms/" in head.form_url
    await tab.send(Builder, "publish", GREETING)
    assert tab.state(Builder).agent.form_url == head.form_url != ""
    viewer = await open_tab(bob, f"/agents/{agent_id}")
    await viewer.send(Builder, "load")
    assert (viewer.state(Builder).agent.webhook_url, viewer.state(Builder).agent.form_url) == ("", "")
