"""single sign-on: an organization's identity providers, their domains, and who is who

Revision: 0012
After: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from agentflow_app.core.rls import grant, open_to_system, protect

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
TENANT_TABLES = ("sso_connections", "sso_domains", "sso_identities")


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), nullable=False)


def _of(name: str, table: str) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), sa.ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False)


def _now(name: str = "created_at") -> sa.Column[object]:
    return sa.Column(name, MOMENT, server_default=sa.text("now()"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "sso_connections",
        _id(),
        _of("org_id", "organizations"),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("issuer", sa.String(500), nullable=False),
        sa.Column("client_id", sa.String(500), nullable=False),
        sa.Column("client_secret", sa.LargeBinary(), nullable=False),
        sa.Column("default_role", sa.String(50), nullable=False),
        sa.Column("role_claim", sa.String(200), nullable=True),
        sa.Column("role_mapping", JSONB(), nullable=False),
        sa.Column("trust_email", sa.Boolean(), nullable=False),
        sa.Column("enforced", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        _now(),
        _now("updated_at"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("org_id", "name"),
    )
    op.create_table(
        "sso_domains",
        _id(),
        _of("org_id", "organizations"),
        _of("connection_id", "sso_connections"),
        sa.Column("domain", sa.String(253), nullable=False),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("verified_at", MOMENT, nullable=True),
        _now(),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "domain"),
    )
    op.create_index(
        "ix_sso_domains_verified",
        "sso_domains",
        ["domain"],
        unique=True,
        postgresql_where=sa.text("verified_at IS NOT NULL"),
    )
    op.create_table(
        "sso_identities",
        _id(),
        _of("org_id", "organizations"),
        _of("connection_id", "sso_connections"),
        _of("user_id", "users"),
        sa.Column("subject", sa.String(255), nullable=False),
        _now(),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "subject"),
    )
    op.create_table(
        "sso_logins",
        _id(),
        _of("connection_id", "sso_connections"),
        sa.Column("state_hash", sa.String(64), nullable=False),
        sa.Column("browser_hash", sa.String(64), nullable=False),
        sa.Column("destination", sa.String(500), nullable=False),
        _now(),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("state_hash"),
    )
    for table, column in (
        *((table, "org_id") for table in TENANT_TABLES),
        ("sso_identities", "user_id"),
        ("sso_logins", "connection_id"),
    ):
        op.create_index(f"ix_{table}_{column}", table, [column])
    connection = op.get_bind()
    for table in TENANT_TABLES:
        protect(connection, table)
    protect(connection, "sso_logins", "false")
    open_to_system(connection, (*TENANT_TABLES, "sso_logins"))
    for table in ("sso_connections", "sso_domains"):
        grant(connection, "app", table, "SELECT, INSERT, UPDATE, DELETE")
        grant(connection, "system", table, "SELECT")
    grant(connection, "app", "sso_identities", "SELECT, DELETE")
    # A login comes before there is a tenant; the operator vouches for a domain without being a member.
    grant(connection, "system", "sso_domains", "UPDATE (verified_at)")
    grant(connection, "system", "sso_identities", "SELECT, INSERT")
    grant(connection, "system", "sso_logins", "SELECT, INSERT, DELETE")


def downgrade() -> None:
    for table in ("sso_logins", "sso_identities", "sso_domains", "sso_connections"):
        op.drop_table(table)
