"""each run keeps the organization's variables as they were when it was started

Revision: 0006
After: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    kind = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
    op.add_column("executions", sa.Column("variables", kind, nullable=True))


def downgrade() -> None:
    op.drop_column("executions", "variables")
