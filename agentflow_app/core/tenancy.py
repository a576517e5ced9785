"""Who acts, for which organization, and what they may do. The one table of rights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast
from uuid import UUID

from agentflow_app.core.errors import Forbidden, Unauthenticated

Role = Literal["owner", "admin", "editor", "viewer"]
Permission = Literal[
    "agents:read",
    "agents:write",
    "agents:delete",
    "executions:read",
    "executions:write",
    "approvals:decide",
    "org:read",
    "org:write",
    "org:transfer",
    "org:export",
    "org:delete",
    "members:read",
    "members:write",
    "teams:read",
    "teams:write",
    "variables:read",
    "variables:write",
    "secrets:read",
    "secrets:write",
    "credentials:read",
    "credentials:write",
    "api_keys:read",
    "api_keys:write",
    "sso:read",
    "sso:write",
    "audit:read",
]

_VIEWER: frozenset[Permission] = frozenset(
    {"agents:read", "executions:read", "org:read", "members:read", "teams:read", "variables:read"}
)
_EDITOR: frozenset[Permission] = _VIEWER | {
    "agents:write",
    "executions:write",
    "approvals:decide",
    "variables:write",
    "secrets:read",
    "credentials:read",
}
_ADMIN: frozenset[Permission] = _EDITOR | {
    "agents:delete",
    "org:write",
    "members:write",
    "teams:write",
    "secrets:write",
    "credentials:write",
    "api_keys:read",
    "api_keys:write",
    "sso:read",
    "sso:write",
    "audit:read",
}
ROLE_PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    "viewer": _VIEWER,
    "editor": _EDITOR,
    "admin": _ADMIN,
    "owner": _ADMIN | {"org:transfer", "org:export", "org:delete"},
}
PERSON_ONLY: frozenset[Permission] = frozenset(
    {
        "approvals:decide",
        "org:transfer",
        "org:export",
        "org:delete",
        "members:write",
        "api_keys:write",
        "sso:write",
    }
)
"""What decides over people and keys is never done by a key, whatever its scopes say."""
_PROVISIONER: frozenset[Permission] = frozenset(
    {"members:read", "members:write", "teams:read", "teams:write"}
)


def role_of(stored: str) -> Role:
    """What the database holds, as a role. Raises Unauthenticated for one that nobody knows."""
    if stored not in ROLE_PERMISSIONS:
        raise Unauthenticated("This membership has no known role; ask the organization's owner")
    return cast(Role, stored)


class SecondFactorNeeded(Forbidden):
    code = "SECOND_FACTOR_NEEDED"

    def __init__(self) -> None:
        super().__init__(
            "This organization demands a second factor: set one up under Settings, Security, and go on"
        )


class SingleSignOnNeeded(Forbidden):
    """The session did not come in through the provider of its organization, which demands that by now."""

    code = "SSO_REQUIRED"

    def __init__(self) -> None:
        super().__init__(
            "Your organization demands its single sign-on: log in through it (Continue with SSO) and go on"
        )


def grantable(role: Role) -> frozenset[Permission]:
    """What somebody of this role can give to a key."""
    return ROLE_PERMISSIONS[role] - PERSON_ONLY


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, a key made by one, or a trigger without either, within one organization.

    `scopes` is None for a person; a key never holds more than its maker's role allows.
    """

    user_id: UUID | None
    org_id: UUID
    role: Role
    email: str
    name: str
    org_name: str
    scopes: frozenset[str] | None = None
    key_id: UUID | None = None
    operates: bool = False
    """Whether to show the way to the operator's page, which asks for itself."""
    session_id: UUID | None = None
    """The login that it acts in."""
    lacks_second_factor: bool = False
    """The organization demands one, and the person has none yet."""
    sso_org_id: UUID | None = None
    """The organization whose provider vouched for this session; None where it came in another way."""
    lacks_single_sign_on: bool = False
    """The organization demands it of this member, and the session came in another way."""
    provisions: bool = False
    """The organization's identity provider, which keeps its members and teams as they are there."""

    @classmethod
    def trigger(cls, org_id: UUID) -> "Actor":
        """What starts executions when nobody is there: a webhook, a schedule."""
        return cls(user_id=None, org_id=org_id, role="editor", email="", name="Trigger", org_name="")

    @classmethod
    def provisioner(cls, org_id: UUID) -> "Actor":
        """Ranks as an admin, so that it decides over no owner; of an admin's rights it has a few."""
        return cls(None, org_id, role="admin", email="", name="SCIM", org_name="", provisions=True)

    @property
    def permissions(self) -> frozenset[Permission]:
        if self.provisions:
            return _PROVISIONER
        granted = ROLE_PERMISSIONS[self.role]
        if self.scopes is None:
            return granted
        return frozenset(p for p in granted - PERSON_ONLY if p in self.scopes)

    @property
    def is_person(self) -> bool:
        return self.user_id is not None and self.key_id is None

    def can(self, permission: Permission) -> bool:
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raises Forbidden, naming what is missing, SingleSignOnNeeded or SecondFactorNeeded."""
        if self.lacks_single_sign_on:
            raise SingleSignOnNeeded
        if self.lacks_second_factor:
            raise SecondFactorNeeded
        if self.can(permission):
            return
        who = f"the role {self.role}" if self.scopes is None else "this API key"
        raise Forbidden(f"This needs the permission {permission}, which {who} does not have")
