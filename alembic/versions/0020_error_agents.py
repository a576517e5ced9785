"""the agent that is to run because a run failed, recorded with the failure

Revision: 0020
After: 0019
"""

import sqlalchemy as sa
from alembic import op

from agentflow_app.core.rls import grant, revoke

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

SEEN = "SELECT (error_agent_id)"


def upgrade() -> None:
    op.add_column("executions", sa.Column("error_agent_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_executions_untold",
        "executions",
        ["id"],
        postgresql_where=sa.text("error_agent_id IS NOT NULL"),
    )
    grant(op.get_bind(), "system", "executions", SEEN)


def downgrade() -> None:
    revoke(op.get_bind(), "system", "executions", SEEN)
    op.drop_index("ix_executions_untold", table_name="executions")
    op.drop_column("executions", "error_agent_id")
