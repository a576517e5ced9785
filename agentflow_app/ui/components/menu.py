"""The menu of what can be done with one row of a list."""

from typing import Any

import reflex as rx

from agentflow_app.ui.components.icon import icon


def row_menu(label: str | rx.Var[str], *items: Any) -> rx.Component:
    return rx.menu.root(
        rx.menu.trigger(
            rx.el.button(
                icon("ellipsis", size=16),
                type="button",
                class_name=(
                    "relative z-10 flex items-center justify-center w-7 h-7 rounded-md "
                    "text-gray-11 hover:bg-gray-a4"
                ),
                custom_attrs={"aria-label": label},
            )
        ),
        rx.menu.content(*items, size="1", variant="soft", align="end"),
        modal=False,
    )


def menu_item(icon_name: str, label: str, on_click: Any, *, danger: bool = False) -> rx.Component:
    look = {"color": "red"} if danger else {}
    return rx.menu.item(icon(icon_name, size=14), label, on_click=on_click, **look)
