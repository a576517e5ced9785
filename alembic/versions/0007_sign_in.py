"""sign-in: sessions that can be seen and ended, links by mail, second factors, passkeys

Revision: 0007
After: 0006
"""

import sqlalchemy as sa
from alembic import op

from agentflow_app.core.rls import USER, grant, open_to_system, protect

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
PERSONAL = ("one_time_tokens", "login_challenges", "totp_factors", "recovery_codes", "passkeys")
COLUMNS = (
    ("users", "email_verified_at", MOMENT),
    ("users", "tokens_valid_after", MOMENT),
    ("users", "second_factor_at", MOMENT),
    ("refresh_tokens", "opened_at", MOMENT),
    ("refresh_tokens", "address", sa.String(45)),
    ("refresh_tokens", "user_agent", sa.String()),
    ("page_sessions", "address", sa.String(45)),
    ("page_sessions", "user_agent", sa.String()),
    ("page_sessions", "last_seen_at", MOMENT),
)


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), nullable=False)


def _user(*, nullable: bool = False) -> sa.Column[object]:
    return sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=nullable)


def _now(name: str = "created_at") -> sa.Column[object]:
    return sa.Column(name, MOMENT, server_default=sa.text("now()"), nullable=False)


def upgrade() -> None:
    for table, column, kind in COLUMNS:
        op.add_column(table, sa.Column(column, kind, nullable=True))
    op.create_table("ended_sessions", _id(), _now("ended_at"), sa.PrimaryKeyConstraint("id"))
    op.create_table(
        "one_time_tokens",
        _id(),
        _user(),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("email", sa.String(255), nullable=False),
        _now(),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_hash"),
    )
    op.create_table(
        "login_challenges",
        _id(),
        _user(nullable=True),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("browser_hash", sa.String(64), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _now(),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_hash"),
    )
    op.create_table(
        "totp_factors",
        _id(),
        _user(),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("paused_until", MOMENT, nullable=True),
        _now(),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("user_id"),
    )
    op.create_table(
        "recovery_codes",
        _id(),
        _user(),
        sa.Column("code_hash", sa.String(64), nullable=False),
        _now(),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("user_id", "code_hash"),
    )
    op.create_table(
        "passkeys",
        _id(),
        _user(),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("transports", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=True),
        _now(),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("credential_id"),
    )
    for table in ("one_time_tokens", "login_challenges", "passkeys"):
        op.create_index(f"ix_{table}_user_id", table, ["user_id"])
    _protect()


def _protect() -> None:
    connection = op.get_bind()
    for table in PERSONAL:
        protect(connection, table, f"user_id = {USER}")
        grant(connection, "system", table, "SELECT, INSERT, UPDATE, DELETE")
    # The ids tell nothing; each request asks whether its own is among them.
    protect(connection, "ended_sessions", "true")
    grant(connection, "app", "ended_sessions", "SELECT (id)")
    grant(connection, "system", "ended_sessions", "SELECT, INSERT, DELETE")
    open_to_system(connection, (*PERSONAL, "ended_sessions", "audit_logs"))
    # Signing in is audited in its own transaction, which is before there is a tenant.
    grant(connection, "system", "audit_logs", "INSERT, SELECT (created_at)")
    grant(connection, "app", "users", "SELECT (tokens_valid_after, second_factor_at)")
    grant(
        connection,
        "system",
        "users",
        "UPDATE (email, name, password_hash, email_verified_at, tokens_valid_after, second_factor_at)",
    )


def downgrade() -> None:
    op.execute("DROP POLICY system ON audit_logs")
    database = op.get_bind().exec_driver_sql("SELECT current_database()").scalar_one()
    for taken in (
        "INSERT, SELECT (created_at) ON audit_logs",
        "UPDATE (email, name, password_hash) ON users",
    ):
        op.execute(f'REVOKE {taken} FROM "{database}_system"')
    for table in (*PERSONAL, "ended_sessions"):
        op.drop_table(table)
    for table, column, _ in COLUMNS:
        op.drop_column(table, column)
