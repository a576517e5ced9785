"""Agents: the working copy of each, and its published versions with their graphs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Field, SQLModel, UniqueConstraint

from agentflow_app.core.tables import created, json_field, primary_key, sealed, tenant


class Agent(SQLModel, table=True):
    """`draft_revision` counts the saves of `draft`; `latest_version` is the number of the live version.

    The webhook's token is its credential: calls find the agent by `hook_hash`, SHA-256, and `hook_sealed` is
    for showing the address again.
    """

    __tablename__ = "agents"
    __table_args__ = (UniqueConstraint("org_id", "slug"),)

    id: UUID = primary_key()
    org_id: UUID = tenant()
    created_by: UUID | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
    name: str = Field(max_length=255)
    slug: str = Field(max_length=120)
    description: str | None = None
    category: str | None = Field(default=None, max_length=100)
    status: str = Field(default="draft", max_length=50)
    trigger_type: str | None = Field(default=None, max_length=50)
    trigger_config: dict[str, Any] = json_field()
    settings: dict[str, Any] = json_field()
    draft: dict[str, Any] = json_field()
    draft_revision: int = 1
    latest_version: int | None = None
    hook_hash: str = Field(max_length=64, unique=True)
    hook_sealed: bytes = sealed()
    created_at: datetime = created()
    updated_at: datetime = created()


class AgentVersion(SQLModel, table=True):
    __tablename__ = "agent_versions"
    __table_args__ = (UniqueConstraint("agent_id", "version"),)

    id: UUID = primary_key()
    org_id: UUID = tenant()
    agent_id: UUID = Field(foreign_key="agents.id", ondelete="CASCADE")
    version: int
    definition: dict[str, Any] = json_field()
    change_message: str | None = None
    created_by: UUID | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
    is_published: bool = False
    created_at: datetime = created()


class AgentNode(SQLModel, table=True):
    """A published node as a row, for queries over graphs. `node_key` is its id in the definition."""

    __tablename__ = "agent_nodes"
    __table_args__ = (UniqueConstraint("agent_version_id", "node_key"),)

    id: UUID = primary_key()
    org_id: UUID = tenant()
    agent_version_id: UUID = Field(foreign_key="agent_versions.id", ondelete="CASCADE")
    node_key: str = Field(max_length=63)
    node_type: str = Field(max_length=50)
    node_subtype: str = Field(max_length=100)
    label: str | None = Field(default=None, max_length=255)
    config: dict[str, Any] = json_field()
    position_x: float = 0
    position_y: float = 0


class AgentEdge(SQLModel, table=True):
    __tablename__ = "agent_edges"

    id: UUID = primary_key()
    org_id: UUID = tenant()
    agent_version_id: UUID = Field(foreign_key="agent_versions.id", ondelete="CASCADE", index=True)
    source_node_id: UUID = Field(foreign_key="agent_nodes.id", ondelete="CASCADE")
    target_node_id: UUID = Field(foreign_key="agent_nodes.id", ondelete="CASCADE")
    source_handle: str | None = Field(default=None, max_length=100)
    condition: str | None = None
    label: str | None = Field(default=None, max_length=255)
