"""runs that a step of another run called

Revision: 0023
After: 0022
"""

import sqlalchemy as sa
from alembic import op

from agentflow_app.core.rls import grant, revoke

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

SEEN = "SELECT (parent_id, parent_step_id)"


def upgrade() -> None:
    op.add_column("executions", sa.Column("parent_id", sa.Uuid(), nullable=True))
    op.add_column("executions", sa.Column("parent_step_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "executions_parent_id_fkey", "executions", "executions", ["parent_id"], ["id"], ondelete="SET NULL"
    )
    op.create_index(
        "ix_executions_called",
        "executions",
        ["parent_id"],
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    grant(op.get_bind(), "system", "executions", SEEN)


def downgrade() -> None:
    revoke(op.get_bind(), "system", "executions", SEEN)
    op.drop_index("ix_executions_called", table_name="executions")
    op.drop_constraint("executions_parent_id_fkey", "executions")
    op.drop_column("executions", "parent_step_id")
    op.drop_column("executions", "parent_id")
