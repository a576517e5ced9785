"""What migrations say to give a table its tenant policy and the two roles their grants."""

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import Connection

TENANT = "(SELECT nullif(current_setting('app.org_id', true), '')::uuid)"
USER = "(SELECT nullif(current_setting('app.user_id', true), '')::uuid)"
Grantee = Literal["app", "system"]


def _role(connection: Connection, role: Grantee) -> str:
    database = connection.exec_driver_sql("SELECT current_database()").scalar_one()
    return connection.dialect.identifier_preparer.quote_identifier(f"{database}_{role}")


def protect(connection: Connection, table: str, visible: str = f"org_id = {TENANT}") -> None:
    """Forces row-level security: the app's role gets the rows that are `visible`, the owner all of them."""
    app = _role(connection, "app")
    connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    connection.exec_driver_sql(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    connection.exec_driver_sql(
        f"CREATE POLICY tenant ON {table} TO {app} USING ({visible}) WITH CHECK ({visible})"
    )
    connection.exec_driver_sql(
        f"CREATE POLICY owner ON {table} TO current_user USING (true) WITH CHECK (true)"
    )


def grant(connection: Connection, role: Grantee, table: str, privileges: str) -> None:
    """`privileges` as in SQL, columns included: `SELECT, UPDATE (status)`."""
    connection.exec_driver_sql(f"GRANT {privileges} ON {table} TO {_role(connection, role)}")


def open_to_system(connection: Connection, tables: Sequence[str]) -> None:
    """Lets the system role see rows of every tenant; what it may do with them is in its grants."""
    for table in tables:
        connection.exec_driver_sql(
            f"CREATE POLICY system ON {table} TO {_role(connection, 'system')} USING (true) WITH CHECK (true)"
        )


def revoke(connection: Connection, role: Grantee, table: str, privileges: str) -> None:
    """Takes back what `grant` gave."""
    connection.exec_driver_sql(f"REVOKE {privileges} ON {table} FROM {_role(connection, role)}")
