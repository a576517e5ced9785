"""The table of rights as people read it: for the Roles page and for docs/permissions.md.

`python -m agentflow_app.core.rights > docs/permissions.md` writes the latter; a test fails while it is stale.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agentflow_app.core.tenancy import PERSON_ONLY, ROLE_PERMISSIONS, Permission, Role

ROLES: Final[tuple[Role, ...]] = ("owner", "admin", "editor", "viewer")
MEANING: Final[Mapping[Permission, str]] = {
    "agents:read": "See agents, their drafts and versions",
    "agents:write": "Make, change, publish and pause agents",
    "agents:delete": "Archive agents",
    "executions:read": "See runs, their steps, logs and events",
    "executions:write": "Run agents; test, cancel, resume and replay runs",
    "approvals:decide": "Approve and reject what a run asks",
    "org:read": "See the organization",
    "org:write": "Rename the organization and change its settings",
    "org:transfer": "Hand the organization over to another owner",
    "org:export": "Export all that the organization has",
    "org:delete": "Delete the organization",
    "members:read": "See who is a member",
    "members:write": "Invite members, change their roles, deactivate and remove them",
    "teams:read": "See teams",
    "teams:write": "Make, change and delete teams",
    "variables:read": "See variables",
    "variables:write": "Make, change and delete variables",
    "secrets:read": "See which secrets there are, never their values",
    "secrets:write": "Set and delete secrets",
    "credentials:read": "See which credentials there are, never their values",
    "credentials:write": "Set and delete credentials",
    "api_keys:read": "See which API keys there are",
    "api_keys:write": "Make, rotate and revoke API keys",
    "sso:read": "See how single sign-on is set up",
    "sso:write": "Set up single sign-on",
    "audit:read": "Read the audit log",
}


@dataclass(frozen=True, slots=True)
class Right:
    permission: Permission
    meaning: str
    roles: tuple[Role, ...]
    person_only: bool


def rights() -> tuple[Right, ...]:
    return tuple(
        Right(
            permission,
            meaning,
            tuple(role for role in ROLES if permission in ROLE_PERMISSIONS[role]),
            permission in PERSON_ONLY,
        )
        for permission, meaning in MEANING.items()
    )


def markdown() -> str:
    lines = [
        "# Who may do what",
        "",
        "Made from the code by `python -m agentflow_app.core.rights`; do not edit.",
        "",
        "| To do this | permission | " + " | ".join(role.capitalize() for role in ROLES) + " | API key |",
        "|---|---|" + ":-:|" * (len(ROLES) + 1),
    ]
    for right in rights():
        marks = ["✓" if role in right.roles else "" for role in ROLES]
        by_key = "" if right.person_only else "✓"
        lines.append(f"| {right.meaning} | `{right.permission}` | " + " | ".join(marks) + f" | {by_key} |")
    lines += [
        "",
        "An API key holds the scopes that it was made with, never more than its maker's role allows now,"
        " and nothing of what only a person may do.",
        "",
        "Beside this table: anybody may leave an organization. Nobody gives a role above their own, or"
        " decides over somebody who has one. An organization always keeps an active owner.",
        "",
        "The operator of an installation is a role of its own, granted on the command line"
        " (`agentflow operator grant EMAIL`). It sees the health and the usage of organizations and suspends"
        " them, and sees nothing of what is in them.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(markdown())
