"""whose identity provider vouched for a session, for organizations that demand their own

Revision: 0017
After: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SESSIONS = ("page_sessions", "refresh_tokens")


def upgrade() -> None:
    for table in SESSIONS:
        op.add_column(table, sa.Column("sso_org_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    for table in SESSIONS:
        op.drop_column(table, "sso_org_id")
