"""people: who is active where, invitations, exports, rotated keys, suspended and deleted organizations

Revision: 0003
After: 0002
"""

import sqlalchemy as sa
from alembic import op

from agentflow_app.core.rls import grant, open_to_system, protect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def _column(table: str, name: str, kind: sa.types.TypeEngine[object], default: str | None = None) -> None:
    """A column without a default is nullable. The default serves the rows that exist, then goes."""
    op.add_column(table, sa.Column(name, kind, nullable=default is None, server_default=default))
    if default is not None:
        op.alter_column(table, name, server_default=None)


def _moments() -> list[sa.Column[object]]:
    return [sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False)]


def upgrade() -> None:
    _column("users", "is_operator", sa.Boolean(), "false")
    _column("org_memberships", "status", sa.String(20), "active")
    _column("organizations", "suspended_at", MOMENT)
    _column("organizations", "deleted_at", MOMENT)
    _column("api_keys", "previous_hash", sa.String(64))
    _column("api_keys", "previous_until", MOMENT)
    op.create_unique_constraint("api_keys_previous_hash_key", "api_keys", ["previous_hash"])
    op.create_unique_constraint("teams_org_id_name_key", "teams", ["org_id", "name"])
    op.create_table(
        "org_invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("org_id", sa.Uuid(), sa.ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
        sa.Column("email", sa.String(255), nullable=False),
        sa.Column("role", sa.String(50), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("invited_by", sa.Uuid(), sa.ForeignKey("users.id", ondelete="SET NULL"), nullable=True),
        *_moments(),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_hash"),
        sa.UniqueConstraint("org_id", "email"),
    )
    op.create_index("ix_org_invitations_org_id", "org_invitations", ["org_id"])
    op.create_table(
        "org_exports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("org_id", sa.Uuid(), sa.ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
        sa.Column("requested_by", sa.Uuid(), sa.ForeignKey("users.id", ondelete="SET NULL"), nullable=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        *_moments(),
        sa.Column("claimed_at", MOMENT, nullable=True),
        sa.Column("completed_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_org_exports_org_id", "org_exports", ["org_id"])
    op.create_table(
        "org_export_parts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("org_id", sa.Uuid(), sa.ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
        sa.Column(
            "export_id", sa.Uuid(), sa.ForeignKey("org_exports.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("export_id", "place"),
    )
    op.create_index("ix_org_export_parts_org_id", "org_export_parts", ["org_id"])
    connection = op.get_bind()
    for table in ("org_invitations", "org_exports", "org_export_parts"):
        protect(connection, table)
        grant(connection, "app", table, "SELECT, INSERT, UPDATE, DELETE")
    # An invitation is found by its token before there is a tenant; exports that wait are of any of them.
    open_to_system(connection, ("org_invitations", "org_exports"))
    grant(connection, "system", "org_invitations", "SELECT")
    grant(connection, "system", "org_exports", "SELECT (id, org_id, status, created_at, claimed_at)")


def downgrade() -> None:
    for table in ("org_export_parts", "org_exports", "org_invitations"):
        op.drop_table(table)
    op.drop_constraint("teams_org_id_name_key", "teams")
    op.drop_constraint("api_keys_previous_hash_key", "api_keys")
    for table, column in (
        ("api_keys", "previous_until"),
        ("api_keys", "previous_hash"),
        ("organizations", "deleted_at"),
        ("organizations", "suspended_at"),
        ("org_memberships", "status"),
        ("users", "is_operator"),
    ):
        op.drop_column(table, column)
