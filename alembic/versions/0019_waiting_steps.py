"""steps that wait for a person to fill in a form are found as those that wait for an approval

Revision: 0019
After: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def _replace(where: str) -> None:
    op.drop_index("ix_steps_waiting", table_name="execution_steps")
    op.create_index("ix_steps_waiting", "execution_steps", ["org_id"], postgresql_where=sa.text(where))


def upgrade() -> None:
    _replace("status IN ('waiting_approval', 'waiting')")


def downgrade() -> None:
    _replace("status = 'waiting_approval'")
