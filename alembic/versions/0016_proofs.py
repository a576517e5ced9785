"""proofs that it is really the person, of a session and good for minutes; unlinking of sign-in providers

Revision: 0016
After: 0015
"""

import sqlalchemy as sa
from alembic import op

from agentflow_app.core.rls import grant, open_to_system, protect, revoke

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
LINKS = ("sso_identities", "social_identities")


def upgrade() -> None:
    op.create_table(
        "session_proofs",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("session_id"),
    )
    op.create_index("ix_session_proofs_user_id", "session_proofs", ["user_id"])
    op.add_column("sso_logins", sa.Column("session_id", sa.Uuid(), nullable=True))
    op.add_column(
        "sso_logins",
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=True),
    )
    op.create_index("ix_sso_logins_user_id", "sso_logins", ["user_id"])
    connection = op.get_bind()
    protect(connection, "session_proofs", "false")
    open_to_system(connection, ("session_proofs",))
    grant(connection, "system", "session_proofs", "SELECT, INSERT, UPDATE, DELETE")
    for table in LINKS:
        grant(connection, "system", table, "DELETE")


def downgrade() -> None:
    connection = op.get_bind()
    for table in LINKS:
        revoke(connection, "system", table, "DELETE")
    op.execute("DELETE FROM sso_logins WHERE session_id IS NOT NULL")
    op.drop_column("sso_logins", "user_id")
    op.drop_column("sso_logins", "session_id")
    op.drop_table("session_proofs")
