"""What an address that leads nowhere shows."""

import reflex as rx

from agentflow_app.ui.components.button import link_button
from agentflow_app.ui.components.states import empty_state


def missing_page() -> rx.Component:
    return rx.el.main(
        empty_state(
            "compass",
            "There is no such page",
            "The link is wrong, or what it led to was removed.",
            link_button("Back to Home", "/", kind="primary"),
        ),
        id="main",
        class_name="flex items-center justify-center min-h-screen bg-page",
    )
