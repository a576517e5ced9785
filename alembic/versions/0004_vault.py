"""the vault: secrets, variables, credentials, and which runs used them

Revision: 0004
After: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from agentflow_app.core.rls import grant, protect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEPT = ("secrets", "variables", "credentials")


def _moment(name: str, *, now: bool = False) -> sa.Column:
    if now:
        return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def _json(name: str) -> sa.Column:
    kind = postgresql.JSONB(astext_type=sa.Text())
    return sa.Column(name, kind, server_default=sa.text("'{}'::jsonb"), nullable=False)


def _kept(name: str, length: int, *columns: sa.Column) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=length), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=True),
        *columns,
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        _moment("created_at", now=True),
        _moment("updated_at", now=True),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["updated_by"], ["users.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("org_id", "name"),
    )
    op.create_index(op.f(f"ix_{name}_org_id"), name, ["org_id"], unique=False)


def upgrade() -> None:
    _kept("secrets", 64, sa.Column("value", sa.LargeBinary(), nullable=False), _moment("last_used_at"))
    _kept("variables", 64, sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=False))
    _kept(
        "credentials",
        100,
        sa.Column("type", sa.String(length=20), nullable=False),
        _json("allowed_hosts"),
        _json("settings"),
        sa.Column("parts", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=True),
        _moment("token_expires_at"),
        _moment("refreshing_until"),
        sa.Column("revision", sa.Integer(), nullable=False),
        _moment("last_used_at"),
    )
    op.create_table(
        "secret_uses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        _moment("created_at", now=True),
        sa.ForeignKeyConstraint(["execution_id"], ["executions.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("execution_id", "item_id"),
    )
    op.create_index(op.f("ix_secret_uses_org_id"), "secret_uses", ["org_id"], unique=False)
    op.create_index("ix_secret_uses_item", "secret_uses", ["item_id"], unique=False)
    connection = op.get_bind()
    for table in KEPT:
        protect(connection, table)
        grant(connection, "app", table, "SELECT, INSERT, UPDATE, DELETE")
    protect(connection, "secret_uses")
    grant(connection, "app", "secret_uses", "SELECT, INSERT")


def downgrade() -> None:
    for table in ("secret_uses", *reversed(KEPT)):
        op.drop_table(table)
