"""The line on top of a page: where one is and what can be done here."""

from typing import Any

import reflex as rx


def page_header(title: Any, *actions: rx.Component, subtitle: Any = None) -> rx.Component:
    return rx.el.header(
        rx.el.div(
            rx.el.h1(title, class_name="text-xl font-semibold text-gray-12 truncate"),
            rx.el.div(subtitle, class_name="text-base text-gray-11")
            if subtitle is not None
            else rx.fragment(),
            class_name="min-w-0",
        ),
        rx.el.div(*actions, class_name="flex items-center gap-2 shrink-0"),
        class_name="flex flex-wrap items-center justify-between gap-3 mb-4 min-h-8",
    )
