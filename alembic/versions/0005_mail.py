"""letters that wait to be delivered

Revision: 0005
After: 0004
"""

import sqlalchemy as sa
from alembic import op

from agentflow_app.core.rls import grant, open_to_system, protect

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mail_outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("letter", sa.LargeBinary(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_mail_outbox_due", "mail_outbox", ["due_at"], postgresql_where=sa.text("status = 'waiting'")
    )
    connection = op.get_bind()
    protect(connection, "mail_outbox", "true")
    grant(connection, "app", "mail_outbox", "INSERT")
    open_to_system(connection, ["mail_outbox"])
    grant(connection, "system", "mail_outbox", "SELECT, INSERT, UPDATE, DELETE")


def downgrade() -> None:
    op.drop_table("mail_outbox")
