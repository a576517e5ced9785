"""retention: runs may be removed while what they consumed stays, and quickly

Revision: 0011
After: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint("usage_records_execution_id_fkey", "usage_records", type_="foreignkey")
    op.create_index(
        "ix_executions_replays",
        "executions",
        ["replay_of"],
        postgresql_where=sa.text("replay_of IS NOT NULL"),
    )
    op.create_index(
        "ix_logs_step", "execution_logs", ["step_id"], postgresql_where=sa.text("step_id IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_logs_step", "execution_logs")
    op.drop_index("ix_executions_replays", "executions")
    # What removed runs consumed cannot stand under the old rules.
    op.execute("DELETE FROM usage_records WHERE execution_id NOT IN (SELECT id FROM executions)")
    op.create_foreign_key(
        "usage_records_execution_id_fkey",
        "usage_records",
        "executions",
        ["execution_id"],
        ["id"],
        ondelete="CASCADE",
    )
