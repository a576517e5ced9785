"""signing in with Google and GitHub: who is who there, and sign-ins on their way there

Revision: 0014
After: 0013
"""

import sqlalchemy as sa
from alembic import op

from agentflow_app.core.rls import grant, open_to_system, protect

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "social_identities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("issuer", sa.String(500), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("issuer", "subject"),
    )
    op.create_index("ix_social_identities_user_id", "social_identities", ["user_id"])
    op.alter_column("sso_logins", "connection_id", nullable=True)
    op.add_column("sso_logins", sa.Column("provider", sa.String(20), nullable=True))
    connection = op.get_bind()
    protect(connection, "social_identities", "false")
    open_to_system(connection, ("social_identities",))
    grant(connection, "system", "social_identities", "SELECT, INSERT")


def downgrade() -> None:
    op.execute("DELETE FROM sso_logins WHERE connection_id IS NULL")
    op.drop_column("sso_logins", "provider")
    op.alter_column("sso_logins", "connection_id", nullable=False)
    op.drop_table("social_identities")
