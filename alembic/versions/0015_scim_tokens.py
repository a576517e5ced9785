"""SCIM: the token that an organization's identity provider provisions with

Revision: 0015
After: 0014
"""

import sqlalchemy as sa
from alembic import op

from agentflow_app.core.rls import grant, open_to_system, protect

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "scim_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("org_id", sa.Uuid(), sa.ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
        sa.Column("created_by", sa.Uuid(), sa.ForeignKey("users.id", ondelete="SET NULL"), nullable=True),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("prefix", sa.String(20), nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("org_id"),
        sa.UniqueConstraint("token_hash"),
    )
    op.create_index("ix_scim_tokens_org_id", "scim_tokens", ["org_id"])
    connection = op.get_bind()
    protect(connection, "scim_tokens")
    open_to_system(connection, ("scim_tokens",))
    grant(connection, "app", "scim_tokens", "SELECT, INSERT, DELETE")
    # A token says which organization it is for.
    grant(connection, "system", "scim_tokens", "SELECT, UPDATE (last_used_at)")


def downgrade() -> None:
    op.drop_table("scim_tokens")
