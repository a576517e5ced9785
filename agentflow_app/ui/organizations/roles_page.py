"""Settings → Roles: the table of rights, as the code has it."""

import reflex as rx

from agentflow_app.core.rights import ROLES, Right, rights
from agentflow_app.ui.components.card import card
from agentflow_app.ui.components.icon import icon
from agentflow_app.ui.components.states import failure_state
from agentflow_app.ui.components.table import WIDE, cell, row, table
from agentflow_app.ui.organizations.roles_state import Roles
from agentflow_app.ui.settings.frame import settings_page


def _mark(held: bool) -> rx.Component:
    if held:
        return rx.fragment(
            icon("check", size=16, class_name="inline text-green-11"), rx.el.span("yes", class_name="sr-only")
        )
    return rx.fragment(
        icon("minus", size=12, class_name="inline text-gray-8"),
        rx.el.span("no", class_name="sr-only"),
    )


def _right(right: Right) -> rx.Component:
    return row(
        cell(right.meaning, class_name="text-gray-12 py-1.5"),
        *[cell(_mark(role in right.roles), class_name="text-center !px-2") for role in ROLES],
        cell(
            rx.el.span("people only", class_name="text-gray-11")
            if right.person_only
            else rx.el.code(right.permission, class_name="font-mono"),
            class_name=f"text-sm text-gray-11 whitespace-nowrap {WIDE}",
        ),
    )


def roles_page() -> rx.Component:
    return settings_page(
        "Roles",
        rx.cond(
            Roles.failure.status > 0,
            failure_state(Roles.failure, Roles.load),
            rx.el.div(
                card(
                    table(
                        [
                            ("To do this", ""),
                            *((role.capitalize(), "!text-center !px-2") for role in ROLES),
                            ("As a scope of an API key", WIDE),
                        ],
                        *[_right(right) for right in rights()],
                        label="What each role may do",
                    ),
                    class_name="overflow-x-auto",
                ),
                rx.el.p(
                    "Nobody gives a role above their own, or decides over somebody who has one. "
                    "Anybody may leave, but for the last owner.",
                    class_name="mt-3 text-sm text-gray-11",
                ),
            ),
        ),
        active="/settings/roles",
    )
