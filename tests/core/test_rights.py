"""The table of rights that people read is the one that the code asks."""

from pathlib import Path
from typing import get_args

from agentflow_app.core.rights import MEANING, ROLES, markdown, rights
from agentflow_app.core.tenancy import PERSON_ONLY, ROLE_PERMISSIONS, Permission, Role, grantable

PAGE = Path(__file__).parents[2] / "docs" / "permissions.md"


def test_every_right_is_explained() -> None:
    assert set(MEANING) == set(get_args(Permission))
    assert set(ROLES) == set(get_args(Role)) == set(ROLE_PERMISSIONS)


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text("utf-8") == markdown(), (
        "run: python -m agentflow_app.core.rights > docs/permissions.md"
    )


def test_a_higher_role_may_all_that_a_lower_one_may() -> None:
    for higher, lower in (("owner", "admin"), ("admin", "editor"), ("editor", "viewer")):
        assert ROLE_PERMISSIONS[higher] > ROLE_PERMISSIONS[lower]  # type: ignore[index]


def test_a_key_is_never_given_what_only_people_may_do() -> None:
    for role in ROLES:
        assert not grantable(role) & PERSON_ONLY
    assert {right.permission for right in rights() if right.person_only} == PERSON_ONLY
