"""Settings → Danger zone."""

import reflex as rx

from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.card import card
from agentflow_app.ui.components.dialog import confirm_dialog
from agentflow_app.ui.components.states import failure_state, skeleton_rows
from agentflow_app.ui.components.table import length
from agentflow_app.ui.organizations.danger_state import Danger
from agentflow_app.ui.settings.frame import settings_page


def act(title: str, text: str, *controls: rx.Component) -> rx.Component:
    """One thing that can be done here, with what it means beside it."""
    return rx.el.div(
        rx.el.div(
            rx.el.h2(title, class_name="text-md font-semibold text-gray-12"),
            rx.el.p(text, class_name="mt-1 text-base text-gray-11 text-pretty"),
            class_name="min-w-0 flex-1",
        ),
        rx.el.div(*controls, class_name="flex flex-wrap items-center gap-2 shrink-0"),
        class_name=(
            "flex flex-col sm:flex-row sm:items-center gap-3 p-4 border-b border-gray-a4 last:border-0"
        ),
    )


def _transfer() -> rx.Component:
    return act(
        "Hand over the organization",
        "Somebody else becomes its owner, and you become an admin.",
        rx.cond(
            length(Danger.heirs) > 0,
            rx.fragment(
                rx.el.select(
                    rx.el.option("Choose a member…", value=""),
                    rx.foreach(Danger.heirs, lambda heir: rx.el.option(heir.name, value=heir.id)),
                    value=Danger.heir,
                    on_change=Danger.set_heir,
                    class_name="af-field h-8 px-2 rounded-md text-base text-gray-12 max-w-48",
                    custom_attrs={"aria-label": "The new owner"},
                ),
                button("Hand over…", on_click=Danger.ask("transfer")),
            ),
            rx.el.span("There is no other active member.", class_name="text-base text-gray-11"),
        ),
    )


def danger_page() -> rx.Component:
    return settings_page(
        "Danger zone",
        rx.cond(
            Danger.failure.status > 0,
            failure_state(Danger.failure, Danger.load),
            rx.cond(
                Danger.loading,
                card(skeleton_rows(2)),
                card(
                    rx.cond(Danger.owner, _transfer()),
                    act(
                        "Leave the organization",
                        "You lose access at once, and the API keys that you made stop working. "
                        "An owner can leave when there is another one.",
                        button("Leave…", on_click=Danger.ask("leave")),
                    ),
                    class_name="overflow-hidden",
                ),
            ),
        ),
        confirm_dialog(
            "Leave " + Danger.organization + "?",
            "To come back you need a new invitation.",
            "Leave",
            is_open=Danger.asking == "leave",
            on_open_change=Danger.set_asking,
            on_confirm=Danger.leave,
        ),
        confirm_dialog(
            "Hand over " + Danger.organization + "?",
            "You will no longer be able to undo this: only the new owner can.",
            "Hand over",
            is_open=Danger.asking == "transfer",
            on_open_change=Danger.set_asking,
            on_confirm=Danger.transfer,
        ),
        active="/settings/danger",
    )
