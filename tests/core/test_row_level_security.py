"""The database's own walls: roles without power, forced policies, nothing without a tenant."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from agentflow_app.core import migrations
from agentflow_app.core.database import database, role_name
from agentflow_app.core.settings import Settings
from agentflow_app.core.tables import metadata
from agentflow_app.tables import load_models
from tests.actors import GREETING, Person, published

IDENTITY_TABLES = {
    "person_keys",
    "users",
    "refresh_tokens",
    "page_sessions",
    "process_heartbeats",
    "alembic_version",
}


async def test_the_apps_roles_have_no_power(api: object, settings: Settings) -> None:
    for role, session in (("app", database().transaction), ("system", database().system)):
        async with session() as tx:
            row = (
                await tx.execute(
                    text(
                        "SELECT current_user, session_user, rolsuper, rolbypassrls, rolcreaterole,"
                        " rolcreatedb,"
                        " EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                        "   WHERE c.relowner = r.oid AND n.nspname = 'public'),"
                        " EXISTS (SELECT 1 FROM pg_auth_members m WHERE m.member = r.oid)"
                        " FROM pg_roles r WHERE rolname = current_user"
                    )
                )
            ).one()
        name = role_name(settings.database_url, role)
        assert tuple(row) == (name, name, False, False, False, False, False, False)


async def test_every_tenant_table_forces_its_policy(settings: Settings) -> None:
    load_models()
    with migrations.owner_connection(settings) as connection:
        rows = connection.execute(
            text(
                "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity,"
                " EXISTS (SELECT 1 FROM pg_policies p WHERE tablename = relname AND policyname = 'tenant'),"
                " EXISTS (SELECT 1 FROM pg_policies p WHERE tablename = relname AND policyname = 'owner')"
                " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname = 'public' AND c.relkind = 'r'"
            )
        ).all()
    walled = {name for name, *walls in rows if all(walls)}
    assert {row[0] for row in rows} - walled <= IDENTITY_TABLES - {"users"}
    assert {table.name for table in metadata.sorted_tables if "org_id" in table.c} - walled <= IDENTITY_TABLES


async def test_without_a_tenant_nothing_is_seen(alice: Person) -> None:
    await published(alice, GREETING)
    async with database().transaction() as tx:
        for table in ("agents", "agent_versions", "executions", "organizations", "org_memberships", "users"):
            assert (await tx.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() == 0, table


async def test_a_pooled_connection_keeps_no_tenant(alice: Person, mallory: Person) -> None:
    await published(alice, GREETING)
    for _ in range(30):
        async with database().transaction(alice.actor) as tx:
            assert (await tx.execute(text("SELECT count(*) FROM agents"))).scalar_one() == 1
        async with database().transaction(mallory.actor) as tx:
            assert (await tx.execute(text("SELECT count(*) FROM agents"))).scalar_one() == 0
        async with database().transaction() as tx:
            assert (await tx.execute(text("SELECT current_setting('app.org_id', true)"))).scalar_one() == ""


async def test_a_row_cannot_be_written_for_another_tenant(alice: Person, mallory: Person) -> None:
    agent_id = await published(alice, GREETING)
    with pytest.raises(DBAPIError, match="row-level security"):
        async with database().transaction(mallory.actor) as tx:
            await tx.execute(
                text("INSERT INTO teams (id, org_id, name) VALUES (gen_random_uuid(), :org, 'x')"),
                {"org": alice.org_id},
            )
    with pytest.raises(DBAPIError, match="row-level security"):
        async with database().transaction(alice.actor) as tx:
            await tx.execute(text("UPDATE agents SET org_id = :org"), {"org": mallory.org_id})
    async with database().transaction(mallory.actor) as tx:
        gone = await tx.execute(text("DELETE FROM agents WHERE id = :id"), {"id": agent_id})
        assert gone.rowcount == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT password_hash FROM users",
        "SELECT * FROM refresh_tokens",
        "SELECT * FROM page_sessions",
        "UPDATE audit_logs SET action = 'x'",
        "DELETE FROM audit_logs",
        "DELETE FROM organizations",
        "CREATE TABLE mine (id int)",
        "ALTER TABLE agents DISABLE ROW LEVEL SECURITY",
    ],
)
async def test_what_the_app_may_not_do(alice: Person, statement: str) -> None:
    with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
        async with database().transaction(alice.actor) as tx:
            await tx.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT trigger FROM executions",
        "SELECT output_data FROM execution_steps",
        "SELECT draft FROM agents",
        "UPDATE executions SET output = '1'",
        "UPDATE org_memberships SET role = 'owner'",
        "SELECT * FROM agent_versions",
        "SELECT * FROM execution_logs",
        "SELECT * FROM audit_logs",
        "DELETE FROM users",
    ],
)
async def test_what_the_system_may_not_do(api: object, statement: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        async with database().system() as tx:
            await tx.execute(text(statement))


def test_the_migrations_make_what_the_models_say(settings: Settings) -> None:
    load_models()
    with migrations.owner_connection(settings) as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_migrations_go_down_and_up_again(empty_postgres_url: str, settings: Settings) -> None:
    config = settings.model_copy(update={"database_url": empty_postgres_url})
    migrations.upgrade(config)
    assert migrations.revision_state(config)[0] == migrations.revision_state(config)[1]
    migrations.downgrade(config, "base")
    with migrations.owner_connection(config) as connection:
        tables = connection.execute(
            text(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
                " AND tablename <> 'alembic_version'"
            )
        ).all()
        assert tables == []
    migrations.upgrade(config)
    assert migrations.revision_state(config)[0] is not None
