"""Where the pages lead who is in, but not as their organization demands."""

from fastapi import FastAPI
from sqlalchemy import update
from sqlmodel import col

from agentflow_app.accounts.models import User
from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.sso.domains import vouch
from agentflow_app.ui.accounts.state import Door
from agentflow_app.ui.agents.state import Agents
from tests.actors import People, Person
from tests.ui.conftest import OpenTab


async def _move(person: Person, email: str) -> None:
    async with database().system() as tx:
        await tx.execute(update(User).where(col(User.id) == person.actor.user_id).values(email=email))


async def test_an_open_page_is_led_to_the_organizations_provider(
    api: FastAPI, people: People, open_tab: OpenTab
) -> None:
    domain = f"{new_id().hex[-12:]}.example.com"
    await _move(people.erin, f"erin@{domain}")
    await _move(people.alice, f"alice@{domain}")
    erins, owners = await open_tab(people.erin, "/agents"), await open_tab(people.alice, "/agents")
    assert await erins.send(Agents, "load") == []
    fields = {"name": "S", "issuer": "https://idp.invalid", "client_id": "us", "domains": [domain]}
    made = await people.alice.client.post("/org/sso", json={**fields, "client_secret": "a secret"})
    await vouch(domain)
    demanded = await people.alice.client.put(
        f"/org/sso/{made.json()['id']}", json={**fields, "enforced": True}
    )
    assert demanded.status_code == 200, demanded.text
    (led,) = await erins.send(Agents, "load")
    assert "/login/sso?problem=SSO_DEMANDED&next=/agents" in str(led)
    # The door does not send her back, and knows whose provider to ask for.
    assert await erins.send(Door, "load") == []
    assert erins.state(Door).address == f"erin@{domain}"
    assert await owners.send(Agents, "load") == []
