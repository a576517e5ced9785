"""erasure of a person: a nameless row stays, and everything that is theirs goes

Revision: 0013
After: 0012
"""

from alembic import op

from agentflow_app.core.rls import grant

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# It runs as the owner, so that the system role needs no right to what it removes. What hangs on the person
# is found by the foreign keys that would remove it with the row: a table that comes later is among them.
ERASE = """
CREATE FUNCTION erase_person(person uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    address text;
    named text;
    known uuid[];
    hanging record;
BEGIN
    SELECT email INTO STRICT address FROM users WHERE id = person FOR UPDATE;
    SELECT coalesce(array_agg(org_id), '{}') INTO known FROM org_memberships WHERE user_id = person;
    FOR hanging IN
        SELECT c.conrelid::regclass AS tab, a.attname AS col FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.contype = 'f' AND c.confrelid = 'users'::regclass AND c.confdeltype = 'c'
    LOOP
        EXECUTE format('DELETE FROM %s WHERE %I = $1', hanging.tab, hanging.col) USING person;
    END LOOP;
    DELETE FROM org_invitations WHERE email = address OR invited_by = person;
    DELETE FROM idempotency_keys
    WHERE caller_id = person OR position(convert_to(address, 'UTF8') IN body) > 0;
    DELETE FROM org_exports WHERE org_id = ANY(known);
    -- Who approves by address approves by id from now on: that is, nobody does.
    named := to_json(address)::text;
    UPDATE agents SET draft = replace(draft::text, named, to_json(person)::text)::jsonb
    WHERE org_id = ANY(known) AND strpos(draft::text, named) > 0;
    UPDATE agent_versions SET definition = replace(definition::text, named, to_json(person)::text)::jsonb
    WHERE org_id = ANY(known) AND strpos(definition::text, named) > 0;
    UPDATE agent_nodes SET config = replace(config::text, named, to_json(person)::text)::jsonb
    WHERE org_id = ANY(known) AND strpos(config::text, named) > 0;
    UPDATE users SET email = 'erased-' || id || '@erased.invalid', name = 'Erased person',
        avatar_url = NULL, password_hash = NULL, auth_provider = 'email', auth_provider_id = NULL,
        is_active = false, is_operator = false, email_verified_at = NULL, second_factor_at = NULL,
        tokens_valid_after = now()
    WHERE id = person;
END
$$
"""


def upgrade() -> None:
    op.execute(ERASE)
    op.execute("REVOKE ALL ON FUNCTION erase_person(uuid) FROM PUBLIC")
    grant(op.get_bind(), "system", "FUNCTION erase_person(uuid)", "EXECUTE")


def downgrade() -> None:
    op.execute("DROP FUNCTION erase_person(uuid)")
