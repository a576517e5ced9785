"""Whether somebody may still act: asked wherever a login, a token or a key is looked up."""

from sqlalchemy import SQLColumnExpression
from sqlmodel import col

from agentflow_app.accounts.models import User
from agentflow_app.organizations.models import Membership, Organization


def may_act() -> tuple[SQLColumnExpression[bool], ...]:
    """For a query over users, their memberships and organizations: all three are in use."""
    return (
        col(User.is_active),
        col(Membership.status) == "active",
        col(Organization.suspended_at).is_(None),
        col(Organization.deleted_at).is_(None),
    )
