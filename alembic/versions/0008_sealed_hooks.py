"""webhook tokens: found by their hash, kept sealed

Revision: 0008
After: 0007
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from agentflow_app.core.crypto import cell, seal, unseal
from agentflow_app.core.rls import grant

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

Rows = list[tuple[UUID, str]]
Sealed = list[tuple[UUID, bytes]]


def upgrade() -> None:
    connection = op.get_bind()
    op.add_column("agents", sa.Column("hook_hash", sa.String(length=64), nullable=True))
    op.add_column("agents", sa.Column("hook_sealed", sa.LargeBinary(), nullable=True))
    rows: Rows = [
        (row[0], row[1]) for row in connection.execute(sa.text("SELECT id, hook_token FROM agents"))
    ]
    with ThreadPoolExecutor(1) as elsewhere:  # a loop of its own, whoever migrates
        sealed = elsewhere.submit(asyncio.run, _sealed(rows)).result()
    for (agent_id, token), (_, blob) in zip(rows, sealed, strict=True):
        connection.execute(
            sa.text("UPDATE agents SET hook_hash = :hash, hook_sealed = :blob WHERE id = :id"),
            {"hash": sha256(token.encode()).hexdigest(), "blob": blob, "id": agent_id},
        )
    op.alter_column("agents", "hook_hash", nullable=False)
    op.alter_column("agents", "hook_sealed", nullable=False)
    op.create_unique_constraint("agents_hook_hash_key", "agents", ["hook_hash"])
    op.drop_column("agents", "hook_token")
    grant(connection, "system", "agents", "SELECT (hook_hash)")


def downgrade() -> None:
    connection = op.get_bind()
    op.add_column("agents", sa.Column("hook_token", sa.String(length=64), nullable=True))
    rows: Sealed = [
        (row[0], bytes(row[1])) for row in connection.execute(sa.text("SELECT id, hook_sealed FROM agents"))
    ]
    with ThreadPoolExecutor(1) as elsewhere:
        opened = elsewhere.submit(asyncio.run, _opened(rows)).result()
    for agent_id, token in opened:
        connection.execute(
            sa.text("UPDATE agents SET hook_token = :token WHERE id = :id"), {"token": token, "id": agent_id}
        )
    op.alter_column("agents", "hook_token", nullable=False)
    op.create_unique_constraint("agents_hook_token_key", "agents", ["hook_token"])
    op.drop_column("agents", "hook_sealed")
    op.drop_column("agents", "hook_hash")
    grant(connection, "system", "agents", "SELECT (hook_token)")


async def _sealed(rows: Rows) -> Sealed:
    return [
        (agent_id, await seal(token.encode(), cell("agents", "hook_sealed", agent_id)))
        for agent_id, token in rows
    ]


async def _opened(rows: Sealed) -> Rows:
    return [
        (agent_id, (await unseal(blob, cell("agents", "hook_sealed", agent_id))).decode())
        for agent_id, blob in rows
    ]
