"""The node kinds to choose from: dragged onto the canvas, or clicked to go where they fit."""

from typing import Any

import reflex as rx
from reflex.vars import FunctionStringVar

from agentflow_app.ui.canvas.binding import act, act_with, store
from agentflow_app.ui.canvas.node import node_tile
from agentflow_app.ui.components.button import button, icon_button
from agentflow_app.ui.components.card import SHEET
from agentflow_app.ui.components.field import INPUT
from agentflow_app.ui.theme import NODE_GROUPS

_PLACE = f"flex-col bg-panel border-gray-a5 {SHEET} md:flex md:w-60 md:border-r"


def _kind(kind: Any) -> rx.Component:
    name = kind["type"].to(str) + "." + kind["subtype"].to(str)
    start: Any = FunctionStringVar.create(
        f"((event) => event.dataTransfer.setData('application/agentflow-node', {name}))",
        _var_data=name._get_all_var_data(),
    )
    return rx.el.li(
        rx.el.button(
            node_tile(kind["type"].to(str), kind["icon"].to(str)),
            rx.el.span(
                rx.el.span(kind["label"].to(str), class_name="block text-base text-gray-12 truncate"),
                rx.el.span(kind["help"].to(str), class_name="block text-xs text-gray-11 truncate"),
                class_name="min-w-0",
            ),
            type="button",
            title=kind["help"].to(str),
            draggable=True,
            on_click=act("place", name),
            custom_attrs={"onDragStart": start},
            class_name=(
                "flex items-center gap-2.5 w-full px-2 py-1.5 rounded-md text-left cursor-grab "
                "hover:bg-gray-a3 "
                "active:cursor-grabbing"
            ),
        )
    )


def _group(group: Any) -> rx.Component:
    title = rx.match(group["type"].to(str), *NODE_GROUPS.items(), group["type"].to(str))
    return rx.el.section(
        rx.el.h2(title, class_name="px-2 pt-3 pb-1 text-xs font-medium text-gray-11"),
        rx.el.ul(rx.foreach(group["kinds"].to(list[dict[str, Any]]), _kind)),
    )


def palette() -> rx.Component:
    groups = store("palette", list[dict[str, Any]])
    status = store("status")
    return rx.cond(
        status["read_only"].to(bool),
        rx.fragment(),
        rx.el.aside(
            rx.el.div(
                rx.el.div(
                    rx.el.input(
                        id="palette-search",
                        type="search",
                        value=store("query", str),
                        placeholder="Search nodes  /",
                        on_change=act_with("search"),
                        class_name=INPUT,
                        custom_attrs={"aria-label": "Search nodes"},
                    ),
                    icon_button("x", "Close", on_click=act("setAdding", False), class_name="md:hidden"),
                    class_name="flex gap-1",
                ),
                rx.cond(
                    status["splitting"].to(bool),
                    rx.el.p(
                        "Choose the node to insert.", class_name="mt-2 text-sm text-accent-11", role="status"
                    ),
                ),
                class_name="p-2.5 pb-0",
            ),
            rx.el.div(
                rx.foreach(groups, _group),
                rx.cond(
                    groups.length() == 0,
                    rx.el.p("No node is called that.", class_name="p-3 text-base text-gray-11"),
                ),
                class_name="af-scroll flex-1 overflow-y-auto px-1.5 pb-4",
            ),
            class_name=rx.cond(status["adding"].to(bool), f"flex max-h-[70vh] {_PLACE}", f"hidden {_PLACE}"),
            custom_attrs={"aria-label": "Nodes"},
        ),
    )


def add_button() -> rx.Component:
    """Opens the palette where there is no room for it beside the canvas."""
    return rx.cond(
        store("status")["read_only"].to(bool),
        rx.fragment(),
        button(
            "Add a node",
            icon_name="plus",
            on_click=act("setAdding", True),
            class_name="md:hidden absolute right-3 bottom-3 z-10 shadow-card",
        ),
    )
