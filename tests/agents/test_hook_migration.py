"""Webhook tokens that were kept in the open are sealed where there are agents already, and come back."""

from hashlib import sha256

from sqlalchemy import text

from agentflow_app.core import migrations
from agentflow_app.core.ids import new_id
from agentflow_app.core.settings import Settings


def test_the_tokens_of_existing_agents_are_sealed_and_opened_again(
    empty_postgres_url: str, settings: Settings
) -> None:
    config = settings.model_copy(update={"database_url": empty_postgres_url})
    migrations.upgrade(config)
    migrations.downgrade(config, "0007")
    org_id = new_id()
    tokens = {new_id(): f"token-of-before-{number}" for number in range(3)}
    with migrations.owner_connection(config) as connection:
        connection.execute(
            text("INSERT INTO organizations (id, name, slug, plan) VALUES (:id, 'Old', :slug, 'starter')"),
            {"id": org_id, "slug": org_id.hex},
        )
        for agent_id, token in tokens.items():
            connection.execute(
                text(
                    "INSERT INTO agents (id, org_id, name, slug, status, draft_revision, hook_token)"
                    " VALUES (:id, :org, 'Old', :slug, 'active', 1, :token)"
                ),
                {"id": agent_id, "org": org_id, "slug": agent_id.hex, "token": token},
            )
        connection.commit()

    migrations.upgrade(config)
    with migrations.owner_connection(config) as connection:
        rows = connection.execute(text("SELECT id, hook_hash, hook_sealed FROM agents")).all()
        assert {row[0]: row[1] for row in rows} == {
            agent_id: sha256(token.encode()).hexdigest() for agent_id, token in tokens.items()
        }
        assert b"token-of-before" not in b"".join(bytes(row[2]) for row in rows)

    migrations.downgrade(config, "0007")
    with migrations.owner_connection(config) as connection:
        found = connection.execute(text("SELECT id, hook_token FROM agents")).all()
        assert {row[0]: row[1] for row in found} == tokens
        connection.execute(text("DELETE FROM organizations"))
        connection.commit()
    migrations.upgrade(config)
