"""schedules: when agents run by themselves, and the ticks that had their run

Revision: 0021
After: 0020
"""

import sqlalchemy as sa
from alembic import op

from agentflow_app.core.rls import grant, open_to_system, protect

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("org_id", sa.Uuid(), sa.ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
        sa.Column("agent_id", sa.Uuid(), sa.ForeignKey("agents.id", ondelete="CASCADE"), nullable=False),
        sa.Column("node_id", sa.String(63), nullable=False),
        sa.Column("cron", sa.String(200), nullable=True),
        sa.Column("every_seconds", sa.Integer(), nullable=True),
        sa.Column("timezone", sa.String(100), nullable=False),
        sa.Column("missed", sa.String(20), nullable=False),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.Column("last_at", MOMENT, nullable=True),
        sa.Column(
            "last_execution_id", sa.Uuid(), sa.ForeignKey("executions.id", ondelete="SET NULL"), nullable=True
        ),
        sa.Column("last_problem", sa.String(500), nullable=True),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("agent_id", "node_id"),
    )
    op.create_index("ix_schedules_org_id", "schedules", ["org_id"])
    op.create_index("ix_schedules_next_at", "schedules", ["next_at"])
    # Without it, removing old runs would read the whole table for each of them.
    op.create_index("ix_schedules_last_execution_id", "schedules", ["last_execution_id"])
    op.create_table(
        "schedule_ticks",
        sa.Column("agent_id", sa.Uuid(), sa.ForeignKey("agents.id", ondelete="CASCADE"), nullable=False),
        sa.Column("node_id", sa.String(63), nullable=False),
        sa.Column("scheduled_at", MOMENT, nullable=False),
        sa.Column("org_id", sa.Uuid(), sa.ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", "node_id", "scheduled_at"),
    )
    op.create_index("ix_schedule_ticks_org_id", "schedule_ticks", ["org_id"])
    op.create_index("ix_schedule_ticks_scheduled_at", "schedule_ticks", ["scheduled_at"])
    connection = op.get_bind()
    for table in ("schedules", "schedule_ticks"):
        protect(connection, table)
    open_to_system(connection, ("schedules", "schedule_ticks"))
    grant(connection, "app", "schedules", "SELECT, INSERT, UPDATE, DELETE")
    grant(connection, "app", "schedule_ticks", "SELECT, INSERT")
    # It finds whose tick is due; what comes of it is done as that tenant.
    grant(connection, "system", "schedules", "SELECT (id, org_id, next_at)")
    grant(connection, "system", "schedule_ticks", "SELECT (scheduled_at), DELETE")


def downgrade() -> None:
    op.drop_table("schedule_ticks")
    op.drop_table("schedules")
