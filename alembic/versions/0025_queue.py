"""indexes that keep a claim cheap before a long queue

Revision: 0025
After: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

OPEN = sa.text("status IN ('pending', 'running', 'waiting')")


def upgrade() -> None:
    op.drop_index("ix_executions_due", "executions")
    op.drop_index("ix_executions_running", "executions")
    op.create_index(
        "ix_executions_running", "executions", ["agent_id"], postgresql_where=sa.text("status = 'running'")
    )
    op.create_index(
        "ix_executions_queue",
        "executions",
        ["agent_id", sa.text("priority DESC"), "created_at", "id"],
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "ix_executions_wake",
        "executions",
        ["wake_at"],
        postgresql_where=sa.text("status = 'waiting' AND wake_at IS NOT NULL"),
    )
    op.create_index(
        "ix_executions_cancelled",
        "executions",
        ["id"],
        postgresql_where=sa.text("status = 'pending' AND cancel_requested"),
    )


def downgrade() -> None:
    for name in ("running", "queue", "wake", "cancelled"):
        op.drop_index(f"ix_executions_{name}", "executions")
    op.create_index("ix_executions_due", "executions", ["priority", "created_at"], postgresql_where=OPEN)
    op.create_index("ix_executions_running", "executions", ["agent_id"], postgresql_where=OPEN)
