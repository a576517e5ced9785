"""Connections of before stay as they are; going back removes those that the old schema cannot hold."""

from sqlalchemy import text

from agentflow_app.core import migrations
from agentflow_app.core.ids import new_id
from agentflow_app.core.settings import Settings

OLD = (
    "INSERT INTO sso_connections (id, org_id, name, issuer, client_id, client_secret, default_role,"
    " role_mapping, trust_email, enforced, active)"
    " VALUES (:id, :org, 'Old', 'https://idp.example.com', 'us', 'x', 'viewer', '{}', false, false, true)"
)
NEW = (
    "INSERT INTO sso_connections (id, org_id, name, protocol, certificates, default_role,"
    " role_mapping, trust_email, enforced, active)"
    " VALUES (:id, :org, 'New', 'saml', '[]', 'viewer', '{}', false, false, true)"
)
DOMAIN = (
    "INSERT INTO sso_domains (id, org_id, connection_id, domain, token)"
    " VALUES (:id, :org, :connection, 'example.com', 'x')"
)


def test_filled_up_and_down(empty_postgres_url: str, settings: Settings) -> None:
    config = settings.model_copy(update={"database_url": empty_postgres_url})
    migrations.upgrade(config)
    migrations.downgrade(config, "0017")
    org_id, old, new = new_id(), new_id(), new_id()
    with migrations.owner_connection(config) as connection:
        connection.execute(
            text("INSERT INTO organizations (id, name, slug, plan) VALUES (:id, 'Old', :slug, 'starter')"),
            {"id": org_id, "slug": org_id.hex},
        )
        connection.execute(text(OLD), {"id": old, "org": org_id})
        connection.commit()
    migrations.upgrade(config)
    with migrations.owner_connection(config) as connection:
        kept = connection.execute(text("SELECT protocol, certificates, sso_url FROM sso_connections")).one()
        assert tuple(kept) == ("oidc", [], None)
        connection.execute(text(NEW), {"id": new, "org": org_id})
        connection.execute(text(DOMAIN), {"id": new_id(), "org": org_id, "connection": new})
        connection.commit()
    migrations.downgrade(config, "0017")
    with migrations.owner_connection(config) as connection:
        assert connection.execute(text("SELECT id FROM sso_connections")).scalars().all() == [old]
        assert connection.execute(text("SELECT id FROM sso_domains")).all() == []
        connection.execute(text("DELETE FROM organizations"))
        connection.commit()
    migrations.upgrade(config)
