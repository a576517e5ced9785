"""room for runs that wait for months: milliseconds outgrow 32 bits in 25 days

Revision: 0002
After: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COLUMNS = (
    ("executions", "total_tokens"),
    ("executions", "duration_ms"),
    ("executions", "active_ms"),
    ("execution_steps", "tokens_used"),
    ("execution_steps", "duration_ms"),
    ("usage_records", "quantity"),
)


def upgrade() -> None:
    for table, column in COLUMNS:
        op.alter_column(table, column, type_=sa.BigInteger(), existing_type=sa.Integer())


def downgrade() -> None:
    for table, column in COLUMNS:
        op.alter_column(table, column, type_=sa.Integer(), existing_type=sa.BigInteger())
