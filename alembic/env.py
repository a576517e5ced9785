"""Runs the migrations on the connection that `agentflow_app.core.migrations` hands over."""

from alembic import context

from agentflow_app.core.tables import metadata
from agentflow_app.tables import load_models

load_models()
connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
with context.begin_transaction():
    context.run_migrations()
