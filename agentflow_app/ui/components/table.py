"""Lists as tables that a phone can show: columns marked `wide` give way below 768 px."""

from collections.abc import Sequence
from typing import Any

import reflex as rx

from agentflow_app.ui.components.button import button

_CELL = "px-4 h-11 align-middle"


def length(rows: Sequence[Any]) -> Any:
    """How many `rows` of a state there are, when the page is shown."""
    return rx.Var.create(rows).to(list).length()


def table(columns: list[tuple[str, str]], *rows: Any, label: str) -> rx.Component:
    """`columns` are (heading, classes); an empty heading is for actions."""
    return rx.el.table(
        rx.el.thead(
            rx.el.tr(
                *[
                    rx.el.th(
                        heading or rx.el.span("Actions", class_name="sr-only"),
                        scope="col",
                        class_name=(
                            f"px-4 h-9 text-left whitespace-nowrap text-sm font-medium text-gray-11 {classes}"
                        ),
                    )
                    for heading, classes in columns
                ]
            ),
            class_name="border-b border-gray-a4",
        ),
        rx.el.tbody(*rows),
        class_name="w-full border-collapse text-base",
        custom_attrs={"aria-label": label},
    )


def row(*cells: Any, **props: Any) -> rx.Component:
    return rx.el.tr(
        *cells, class_name="relative border-b border-gray-a3 last:border-0 hover:bg-gray-a2", **props
    )


def cell(*children: Any, class_name: str = "") -> rx.Component:
    return rx.el.td(*children, class_name=f"{_CELL} {class_name}")


WIDE = "hidden md:table-cell"


def pager(has_more: bool | rx.Var[bool], on_more: Any, loading: bool | rx.Var[bool]) -> rx.Component:
    """Loads the next page below the last; nothing where there is none."""
    return rx.cond(
        has_more,
        rx.el.div(
            button("Load more", on_click=on_more, loading=loading),
            class_name="flex justify-center p-3 border-t border-gray-a3",
        ),
    )
