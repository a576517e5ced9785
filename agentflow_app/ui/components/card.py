"""Panels that group what belongs together."""

from typing import Any

import reflex as rx

SHEET = (
    "fixed inset-x-0 bottom-0 z-30 rounded-t-xl border-t shadow-lg "
    "md:static md:z-auto md:shrink-0 md:max-h-none md:rounded-none md:border-t-0 md:shadow-none"
)
"""A pane beside the page's middle that comes up from below where the window is narrow."""


def card(*children: Any, class_name: str = "", **props: Any) -> rx.Component:
    return rx.el.div(
        *children, class_name=f"bg-panel border border-gray-a5 rounded-lg shadow-card {class_name}", **props
    )


def section(
    title: str, *children: Any, action: rx.Component | None = None, class_name: str = ""
) -> rx.Component:
    """A titled card; `action` sits on the title's line."""
    return card(
        rx.el.div(
            rx.el.h2(title, class_name="text-md font-semibold text-gray-12"),
            action or rx.fragment(),
            class_name="flex items-center justify-between gap-4 h-12 px-4 border-b border-gray-a4",
        ),
        *children,
        class_name=f"overflow-hidden {class_name}",
    )


def figure(
    label: str, value: rx.Component | rx.Var[Any] | str, note: rx.Component | None = None
) -> rx.Component:
    """One number of a dashboard: what it is, how much, and what to make of it."""
    return card(
        rx.el.div(label, class_name="text-sm text-gray-11"),
        rx.el.div(value, class_name="mt-1 text-2xl font-semibold text-gray-12 tabular-nums"),
        rx.el.div(note or rx.fragment(), class_name="mt-1 text-sm text-gray-11 min-h-4"),
        class_name="p-4",
    )
