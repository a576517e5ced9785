"""What a page says while it cannot reach the server."""

import reflex as rx

from agentflow_app.ui.components.icon import icon


@rx.memo
def offline_notice() -> rx.Component:
    """Shown on top of every page until the connection is back, which it notices by itself."""
    return rx.connection_banner(
        rx.el.div(
            icon("cloud-off", size=16),
            "No connection. What you do is kept here; trying again…",
            role="status",
            class_name=(
                "fixed bottom-16 md:bottom-4 left-1/2 -translate-x-1/2 z-50 flex items-center gap-2 "
                "px-3 py-2 rounded-lg border border-gray-a5 bg-panel shadow-float text-base text-gray-12"
            ),
        )
    )
