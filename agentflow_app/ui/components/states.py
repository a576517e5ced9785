"""What a page shows when it has no content: loading, empty, failed, forbidden, not found."""

from typing import Any

import reflex as rx

from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.icon import icon
from agentflow_app.ui.session import Failure


def skeleton(class_name: str) -> rx.Component:
    return rx.el.div(class_name=f"af-skeleton {class_name}")


def skeleton_rows(count: int = 6) -> rx.Component:
    """Stands where a list will be, in its rhythm, so that nothing jumps when it comes."""
    row = rx.el.div(
        skeleton("w-4 h-4"),
        skeleton("h-3 w-48"),
        skeleton("h-3 w-24 ml-auto"),
        skeleton("h-3 w-16"),
        class_name="flex items-center gap-4 h-11 px-4 border-b border-gray-a3 last:border-0",
    )
    return rx.el.div(*[row] * count, role="status", custom_attrs={"aria-label": "Loading"})


def empty_state(icon_name: str, title: str, text: str, action: rx.Component | None = None) -> rx.Component:
    """What would be here, and the one thing to do about it."""
    return _notice(icon_name, title, text, action or rx.fragment())


def _notice(icon_name: str, title: Any, text: Any, *more: rx.Component) -> rx.Component:
    return rx.el.div(
        rx.el.div(
            icon(icon_name, size=20),
            class_name="flex items-center justify-center w-10 h-10 rounded-lg bg-gray-a3 text-gray-11",
        ),
        rx.el.h2(title, class_name="mt-3 text-md font-semibold text-gray-12"),
        rx.el.p(text, class_name="mt-1 max-w-sm text-base text-gray-11 text-pretty"),
        rx.el.div(*more, class_name="mt-4 flex flex-col items-center gap-2"),
        class_name="flex flex-col items-center justify-center text-center px-6 py-16",
    )


def failure_state(failure: Failure, retry: Any) -> rx.Component:
    """The page's own error: forbidden, not found, or broken with the id that support can look up."""
    reference = rx.el.div(
        "Request ",
        rx.el.code(failure.request_id, class_name="font-mono select-all"),
        class_name="text-xs text-gray-11",
    )
    home = rx.link("Back to Home", href="/", class_name="text-base")
    return rx.el.div(
        rx.match(
            failure.status,
            (403, _notice("lock", "You do not have access", failure.message, home)),
            (404, _notice("search-x", "Not found", "It was removed, or the link is wrong.", home)),
            _notice(
                "triangle-alert",
                "Something went wrong",
                failure.message,
                button("Try again", icon_name="rotate-cw", on_click=retry),
                reference,
            ),
        ),
        role="alert",
    )
