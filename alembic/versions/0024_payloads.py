"""payloads: what is too large for the rows of a run, and what refers to it

Revision: 0024
After: 0023
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from agentflow_app.core.rls import grant, protect

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

REFERENCES = (
    ("executions", "trigger_ref"),
    ("executions", "output_ref"),
    ("execution_steps", "input_ref"),
    ("execution_steps", "output_ref"),
)
# Before there were payloads, everything stood in the rows; and there it stands again.
WHOLE = """
    UPDATE executions e SET trigger = jsonb_set(e.trigger, '{data}', p.content)
        FROM payloads p WHERE p.execution_id = e.id AND p.id = e.trigger_ref;
    UPDATE executions e SET output = p.content
        FROM payloads p WHERE p.execution_id = e.id AND p.id = e.output_ref;
    UPDATE execution_steps s SET input_data = p.content
        FROM payloads p WHERE p.execution_id = s.execution_id AND p.id = s.input_ref;
    UPDATE execution_steps s SET output_data = p.content
        FROM payloads p WHERE p.execution_id = s.execution_id AND p.id = s.output_ref;
    UPDATE execution_events v SET event = (v.event - 'output_ref') || jsonb_build_object('output', p.content)
        FROM payloads p
        WHERE v.event ? 'output_ref' AND p.execution_id = v.execution_id
            AND p.id::text = reverse(split_part(reverse(v.event ->> 'output_ref'), '/', 1))
"""


def upgrade() -> None:
    op.create_table(
        "payloads",
        sa.Column(
            "execution_id", sa.Uuid(), sa.ForeignKey("executions.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("org_id", sa.Uuid(), sa.ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content", JSONB(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("execution_id", "id"),
    )
    op.create_index("ix_payloads_org_id", "payloads", ["org_id"])
    for table, column in REFERENCES:
        op.add_column(table, sa.Column(column, sa.Uuid(), nullable=True))
    connection = op.get_bind()
    protect(connection, "payloads")
    grant(connection, "app", "payloads", "SELECT, INSERT, UPDATE, DELETE")


def downgrade() -> None:
    connection = op.get_bind()
    for statement in WHOLE.split(";"):
        connection.exec_driver_sql(statement)
    for table, column in REFERENCES:
        op.drop_column(table, column)
    op.drop_table("payloads")
