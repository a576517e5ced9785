"""Brings the schema up to date, and the logins of the app's two database roles with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, make_url, text

from agentflow_app.core.database import DatabaseRole, role_name, role_password
from agentflow_app.core.settings import Settings

SCRIPTS = Path(__file__).parents[2] / "alembic"
_LOCK = 7_215_330_021
_ROLES: tuple[DatabaseRole, ...] = ("app", "system")


@contextmanager
def owner_connection(config: Settings) -> Iterator[Connection]:
    """A connection of the owner's, who alone may change the schema."""
    engine = create_engine(make_url(config.database_url).set(drivername="postgresql+psycopg"))
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _config(connection: Connection) -> Config:
    made = Config()
    made.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    made.attributes["connection"] = connection
    return made


def _ensure_roles(connection: Connection, config: Settings) -> None:
    """Makes the two logins, or gives them the password that the present secret key derives."""
    secret = config.secret_key.get_secret_value()
    for role in _ROLES:
        name = role_name(config.database_url, role)
        found = connection.execute(
            text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": name}
        ).first()
        quoted = connection.dialect.identifier_preparer.quote_identifier(name)
        password = role_password(secret, config.database_url, role)  # hexadecimal, so it needs no quoting
        verb = "ALTER" if found else "CREATE"
        connection.exec_driver_sql(
            f"{verb} ROLE {quoted} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE"
            f" PASSWORD '{password}'"
        )


def upgrade(config: Settings, revision: str = "head") -> None:
    """Migrates up, one process at a time; the others wait."""
    with owner_connection(config) as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        _ensure_roles(connection, config)
        command.upgrade(_config(connection), revision)
        connection.commit()


def downgrade(config: Settings, revision: str) -> None:
    with owner_connection(config) as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        command.downgrade(_config(connection), revision)
        connection.commit()


def revision_state(config: Settings) -> tuple[str | None, str | None]:
    """The database's revision and the newest that this code knows."""
    with owner_connection(config) as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        head = ScriptDirectory.from_config(_config(connection)).get_current_head()
        return current, head
