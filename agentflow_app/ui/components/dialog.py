"""Dialogs. The destructive ones name what will happen on their button."""

from typing import Any

import reflex as rx

from agentflow_app.ui.components.button import Kind, button


def dialog(
    title: Any,
    *body: rx.Component,
    is_open: bool | rx.Var[bool],
    on_open_change: Any,
    description: Any = "",
    actions: list[rx.Component] | None = None,
    wide: bool = False,
    close: str | rx.Var[str] = "Cancel",
) -> rx.Component:
    """A modal that the state opens. Escape, the backdrop and its first button, `close`, close it."""
    return rx.dialog.root(
        rx.dialog.content(
            rx.dialog.title(title, class_name="text-lg font-semibold text-gray-12", margin_bottom="4px"),
            rx.dialog.description(description, class_name="text-base text-gray-11"),
            rx.el.div(*body, class_name="mt-4 flex flex-col gap-4"),
            rx.el.div(
                rx.dialog.close(button(close)),
                *(actions or []),
                class_name="mt-6 flex justify-end gap-2",
            ),
            max_width="640px" if wide else "440px",
            size="3",
        ),
        open=is_open,
        on_open_change=on_open_change,
    )


def confirm_dialog(
    title: Any,
    text: Any,
    confirm: str,
    *,
    is_open: bool | rx.Var[bool],
    on_open_change: Any,
    on_confirm: Any,
    kind: Kind = "danger",
) -> rx.Component:
    return dialog(
        title,
        is_open=is_open,
        on_open_change=on_open_change,
        description=text,
        actions=[button(confirm, kind=kind, on_click=on_confirm)],
    )
