"""audit chain

Revision: 0009
After: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from agentflow_app.core.rls import grant, protect

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Functions of the owner: the roles that write entries can neither read nor set what links them.
FUNCTIONS = """
CREATE FUNCTION audit_digest(entry audit_logs) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT sha256(entry.prev_hash || convert_to(jsonb_build_array(
        entry.id, entry.org_id, entry.seq, entry.user_id, entry.action, entry.resource_type,
        entry.resource_id, entry.details, encode(entry.personal, 'hex'),
        extract(epoch FROM entry.created_at)::text
    )::text, 'UTF8'))
$$;

CREATE FUNCTION audit_link() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    head audit_heads%ROWTYPE;
BEGIN
    INSERT INTO audit_heads (org_id, seq, hash) VALUES (NEW.org_id, 0, '') ON CONFLICT DO NOTHING;
    SELECT * INTO head FROM audit_heads WHERE org_id = NEW.org_id FOR UPDATE;
    NEW.seq := head.seq + 1;
    NEW.prev_hash := head.hash;
    NEW.created_at := now();
    NEW.hash := audit_digest(NEW);
    UPDATE audit_heads SET seq = NEW.seq, hash = NEW.hash WHERE org_id = NEW.org_id;
    RETURN NEW;
END
$$;

CREATE FUNCTION audit_keep() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
"""

# What was written before there was a chain becomes its beginning.
LINK_OLD = """
DO $$
DECLARE
    entry audit_logs;
    head audit_heads%ROWTYPE;
BEGIN
    FOR entry IN SELECT * FROM audit_logs ORDER BY org_id, created_at, id LOOP
        IF head.org_id IS DISTINCT FROM entry.org_id THEN
            head := ROW(entry.org_id, 0, ''::bytea)::audit_heads;
        END IF;
        entry.seq := head.seq + 1;
        entry.prev_hash := head.hash;
        entry.hash := audit_digest(entry);
        UPDATE audit_logs SET seq = entry.seq, prev_hash = entry.prev_hash, hash = entry.hash
        WHERE id = entry.id;
        head.seq := entry.seq;
        head.hash := entry.hash;
        INSERT INTO audit_heads VALUES (head.*)
        ON CONFLICT (org_id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash;
    END LOOP;
END
$$;
"""

TRIGGERS = """
CREATE TRIGGER audit_link BEFORE INSERT ON audit_logs FOR EACH ROW EXECUTE FUNCTION audit_link();
CREATE TRIGGER audit_keep BEFORE UPDATE OR DELETE ON audit_logs FOR EACH ROW EXECUTE FUNCTION audit_keep();
CREATE TRIGGER audit_keep_all BEFORE TRUNCATE ON audit_logs EXECUTE FUNCTION audit_keep();
"""


def upgrade() -> None:
    connection = op.get_bind()
    op.create_table(
        "audit_heads",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("org_id"),
    )
    op.create_table(
        "person_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.drop_constraint("audit_logs_org_id_fkey", "audit_logs", type_="foreignkey")
    op.drop_constraint("audit_logs_user_id_fkey", "audit_logs", type_="foreignkey")
    # Where an act came from was never kept before in a released version, so nothing is lost with these.
    op.drop_column("audit_logs", "ip_address")
    op.drop_column("audit_logs", "user_agent")
    op.add_column("audit_logs", sa.Column("personal", sa.LargeBinary(), nullable=True))
    op.add_column("audit_logs", sa.Column("seq", sa.BigInteger(), nullable=True))
    op.add_column("audit_logs", sa.Column("prev_hash", sa.LargeBinary(), nullable=True))
    op.add_column("audit_logs", sa.Column("hash", sa.LargeBinary(), nullable=True))
    op.execute(FUNCTIONS)
    op.execute(LINK_OLD)
    for name in ("seq", "prev_hash", "hash"):
        op.alter_column("audit_logs", name, nullable=False)
    op.create_unique_constraint("audit_logs_org_id_seq_key", "audit_logs", ["org_id", "seq"])
    op.execute(TRIGGERS)
    protect(connection, "audit_heads")
    grant(connection, "app", "audit_heads", "SELECT")
    grant(connection, "app", "person_keys", "SELECT, INSERT")
    grant(connection, "system", "person_keys", "SELECT, INSERT, DELETE")


def downgrade() -> None:
    op.execute("DROP TRIGGER audit_keep_all ON audit_logs")
    op.execute("DROP TRIGGER audit_keep ON audit_logs")
    op.execute("DROP TRIGGER audit_link ON audit_logs")
    op.execute("DROP FUNCTION audit_keep()")
    op.execute("DROP FUNCTION audit_link()")
    op.execute("DROP FUNCTION audit_digest(audit_logs)")
    op.drop_constraint("audit_logs_org_id_seq_key", "audit_logs", type_="unique")
    for name in ("hash", "prev_hash", "seq", "personal"):
        op.drop_column("audit_logs", name)
    op.add_column("audit_logs", sa.Column("user_agent", sa.String(), nullable=True))
    op.add_column("audit_logs", sa.Column("ip_address", postgresql.INET(), nullable=True))
    # Entries of people and organizations that are gone cannot stand under the old rules.
    op.execute("DELETE FROM audit_logs WHERE org_id NOT IN (SELECT id FROM organizations)")
    op.execute("UPDATE audit_logs SET user_id = NULL WHERE user_id NOT IN (SELECT id FROM users)")
    op.create_foreign_key(
        "audit_logs_org_id_fkey", "audit_logs", "organizations", ["org_id"], ["id"], ondelete="CASCADE"
    )
    op.create_foreign_key(
        "audit_logs_user_id_fkey", "audit_logs", "users", ["user_id"], ["id"], ondelete="SET NULL"
    )
    op.drop_table("person_keys")
    op.drop_table("audit_heads")
