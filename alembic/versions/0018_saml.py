"""single sign-on by SAML: the protocol of a connection, and what a SAML provider tells

Revision: 0018
After: 0017
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLE = "sso_connections"
OF_OIDC = ("issuer", "client_id", "client_secret")
OF_SAML = ("sso_url", "certificates", "email_attribute", "name_attribute")


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("protocol", sa.String(10), nullable=False, server_default="oidc"))
    op.add_column(TABLE, sa.Column("sso_url", sa.String(2000), nullable=True))
    op.add_column(TABLE, sa.Column("certificates", JSONB(), nullable=False, server_default="[]"))
    op.add_column(TABLE, sa.Column("email_attribute", sa.String(200), nullable=True))
    op.add_column(TABLE, sa.Column("name_attribute", sa.String(200), nullable=True))
    for column in ("protocol", "certificates"):
        op.alter_column(TABLE, column, server_default=None)  # it was for the rows of before
    for column in OF_OIDC:
        op.alter_column(TABLE, column, nullable=True)


def downgrade() -> None:
    op.execute(f"DELETE FROM {TABLE} WHERE protocol <> 'oidc'")  # noqa: S608
    for column in OF_OIDC:
        op.alter_column(TABLE, column, nullable=False)
    for column in (*OF_SAML, "protocol"):
        op.drop_column(TABLE, column)
