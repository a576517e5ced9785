"""operator: figures about organizations without a look into them, suspending, and removing for good

Revision: 0010
After: 0009
"""

from alembic import op

from agentflow_app.core.rls import grant, revoke

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

GRANTS = {
    "organizations": "UPDATE (suspended_at, deleted_at), DELETE",
    "users": "UPDATE (is_active)",
}
# Numbers only. It runs as the owner, so that the system role needs no right to what it counts; storage is
# a share of each table's size, because measuring every value would read the whole database.
USAGE = """
CREATE FUNCTION organization_usage() RETURNS TABLE (
    org_id uuid, members bigint, agents bigint, executions bigint, failures bigint, tokens bigint,
    cost numeric, storage bigint
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH sized AS (
        SELECT x.org_id, (count(*) * max(t.average))::bigint AS bytes
        FROM execution_steps x, (
            SELECT pg_total_relation_size('execution_steps')::numeric / greatest(count(*), 1) AS average
            FROM execution_steps
        ) t GROUP BY x.org_id
        UNION ALL
        SELECT x.org_id, (count(*) * max(t.average))::bigint
        FROM execution_events x, (
            SELECT pg_total_relation_size('execution_events')::numeric / greatest(count(*), 1) AS average
            FROM execution_events
        ) t GROUP BY x.org_id
    ), today AS (
        SELECT e.org_id, count(*) AS executions, count(*) FILTER (WHERE e.status = 'failed') AS failures,
            sum(e.total_tokens)::bigint AS tokens, sum(e.total_cost) AS cost
        FROM executions e WHERE e.created_at > now() - interval '24 hours' GROUP BY e.org_id
    )
    SELECT o.id,
        (SELECT count(*) FROM org_memberships m WHERE m.org_id = o.id),
        (SELECT count(*) FROM agents a WHERE a.org_id = o.id AND a.status <> 'archived'),
        coalesce(d.executions, 0), coalesce(d.failures, 0), coalesce(d.tokens, 0), coalesce(d.cost, 0),
        coalesce((SELECT sum(s.bytes) FROM sized s WHERE s.org_id = o.id), 0)::bigint
    FROM organizations o LEFT JOIN today d ON d.org_id = o.id
$$
"""


def upgrade() -> None:
    connection = op.get_bind()
    for table, privileges in GRANTS.items():
        grant(connection, "system", table, privileges)
    op.execute(USAGE)
    op.execute("REVOKE ALL ON FUNCTION organization_usage() FROM PUBLIC")
    grant(connection, "system", "FUNCTION organization_usage()", "EXECUTE")


def downgrade() -> None:
    connection = op.get_bind()
    op.execute("DROP FUNCTION organization_usage()")
    for table, privileges in GRANTS.items():
        revoke(connection, "system", table, privileges)
