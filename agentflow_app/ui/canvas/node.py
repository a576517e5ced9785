"""A node on the canvas: what it is, what it is set to, and how it fares in the run on the screen."""

from typing import Any

import reflex as rx

from agentflow_app.ui.canvas.binding import XYFLOW
from agentflow_app.ui.components.icon import icon, icon_by_name
from agentflow_app.ui.components.status import demo_badge, status_icon
from agentflow_app.ui.executions.live import Live
from agentflow_app.ui.theme import NODE_TONES, STATUS_TONES
from engine.nodes.registry import catalog

_TILE = {
    "amber": "bg-amber-a3 text-amber-11",
    "violet": "bg-violet-a3 text-violet-11",
    "blue": "bg-blue-a3 text-blue-11",
    "teal": "bg-teal-a3 text-teal-11",
    "pink": "bg-pink-a3 text-pink-11",
    "gray": "bg-gray-a3 text-gray-11",
}
_RING = {
    "green": "border-green-8",
    "blue": "border-blue-8",
    "amber": "border-amber-8",
    "red": "border-red-8",
    "gray": "border-gray-6",
}


class Handle(rx.Component):
    """Where an edge leaves or enters."""

    library = XYFLOW
    tag = "Handle"

    type: rx.Var[str]
    position: rx.Var[str]
    handle_id: rx.Var[str]

    def _render(self, props: dict[str, Any] | None = None) -> Any:
        # `id` would be taken for the element's own id.
        tag = super()._render(props)
        return tag.remove_props("handleId", "handle_id").add_props(id=self.handle_id)


def node_tile(node_type: rx.Var[str], icon_name: rx.Var[str], *, size: str = "w-7 h-7") -> rx.Component:
    """The icon on its type's hue."""
    tone = rx.match(node_type, *((name, _TILE[hue]) for name, hue in NODE_TONES.items()), _TILE["gray"])
    return rx.el.span(
        icon_by_name(icon_name, [entry["icon"] for entry in catalog()]),
        class_name=f"flex items-center justify-center rounded-md shrink-0 {size} {tone}",
    )


def _way_out(name: rx.Var[str], several: rx.Var[bool]) -> rx.Component:
    handle = Handle.create(type="source", position="right", handle_id=name)
    return rx.el.div(
        rx.cond(several, rx.el.span(name, class_name="text-xs text-gray-11 truncate max-w-36")),
        handle,
        class_name=rx.cond(
            several, "relative flex items-center justify-end h-6 px-3", "absolute right-0 top-0 bottom-0 w-0"
        ),
    )


def _progress(run: Any) -> rx.Component:
    fact = "text-xs text-gray-11 tabular-nums"
    return rx.el.div(
        rx.el.div(
            status_icon(status=run["status"].to(str)),
            rx.el.span(run["label"].to(str), class_name="text-xs font-medium text-gray-12"),
            rx.el.span(run["facts"].to(str), class_name=f"{fact} ml-auto"),
            class_name="flex items-center gap-1.5 h-8 px-3",
        ),
        rx.cond(
            run["text"].to(str),
            rx.el.p(
                run["text"].to(str), class_name="px-3 pb-2 text-xs text-gray-11 line-clamp-3 break-words"
            ),
        ),
        rx.cond(run["demo"].to(bool), rx.el.div(demo_badge(), class_name="px-3 pb-2")),
        class_name="border-t border-gray-a4",
    )


@rx.memo
def node_card(id: rx.Var[str], data: rx.Var[dict[str, Any]]) -> rx.Component:  # noqa: A002  # React Flow's name
    """One card, 220 px wide. A run changes only what it reads by `id`, never the graph."""
    card: Any = data
    run: Any = rx.Var.create(Live.statuses).to(dict[str, dict[str, Any]])[id].to(dict[str, Any])
    ring = rx.match(
        run["status"].to(str),
        *((status, _RING[tone]) for status, tone in STATUS_TONES.items()),
        "border-gray-a6",
    )
    handles = card["handles"].to(list[str])
    several = handles.length() > 1
    problems = card["problems"].to(int)
    faded = rx.cond(card["disabled"].to(bool), "opacity-50 border-dashed", "")
    return rx.el.div(
        rx.cond(card["type"] != "trigger", Handle.create(type="target", position="left", handle_id="in")),
        rx.el.div(
            node_tile(card["type"].to(str), card["icon"].to(str)),
            rx.el.div(
                rx.el.div(card["label"].to(str), class_name="text-base font-medium text-gray-12 truncate"),
                rx.el.div(card["kind"].to(str), class_name="text-xs text-gray-11 truncate"),
                class_name="min-w-0 flex-1",
            ),
            rx.cond(
                problems > 0,
                rx.el.span(
                    icon("triangle-alert", size=12),
                    problems,
                    title=card["problem_text"].to(str),
                    class_name=rx.cond(
                        card["severity"] == "error",
                        "inline-flex items-center gap-0.5 h-5 px-1 rounded text-xs bg-red-a3 text-red-11",
                        "inline-flex items-center gap-0.5 h-5 px-1 rounded text-xs bg-amber-a3 text-amber-11",
                    ),
                ),
            ),
            class_name="flex items-center gap-2.5 px-3 py-2.5",
        ),
        rx.cond(
            card["summary"].to(str),
            rx.el.div(
                rx.el.p(card["summary"].to(str), class_name="text-xs text-gray-11 line-clamp-2 break-words"),
                class_name="px-3 pb-2.5 -mt-0.5",
            ),
        ),
        rx.el.div(
            rx.foreach(handles, lambda name: _way_out(name, several)),
            class_name=rx.cond(several, "relative border-t border-gray-a4 py-1", "contents"),
        ),
        rx.cond(run["status"].to(str), _progress(run)),
        class_name=f"af-node relative w-[220px] rounded-lg border bg-panel shadow-card {ring} {faded}",
        data_status=run["status"].to(str),
        data_node=id,
    )
