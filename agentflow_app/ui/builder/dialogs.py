"""Publishing, and what to do when someone else saved in between."""

from typing import Any

import reflex as rx

from agentflow_app.ui.builder.state import Builder, ChangeRow
from agentflow_app.ui.canvas.binding import act, store
from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.dialog import dialog
from agentflow_app.ui.components.field import INPUT
from agentflow_app.ui.components.table import length

_MARKS = {"added": ("+", "text-green-11"), "removed": ("-", "text-red-11"), "changed": ("~", "text-amber-11")}


def _change(row: ChangeRow) -> rx.Component:
    mark = rx.match(
        row.change,
        *(
            (change, rx.el.span(sign, class_name=f"w-4 text-center font-mono {tone}"))
            for change, (sign, tone) in _MARKS.items()
        ),
        rx.fragment(),
    )
    return rx.el.li(
        mark,
        rx.el.span(row.label, class_name="text-base text-gray-12 truncate"),
        rx.el.span(
            rx.cond(row.kind == "edge", "connection", ""),
            row.fields,
            class_name="text-sm text-gray-11 truncate",
        ),
        class_name="flex items-center gap-2 h-7",
    )


def publish_dialog() -> rx.Component:
    definition: Any = store("definition")
    return dialog(
        "Publish",
        rx.el.div(
            rx.el.label(
                "What changed?", html_for="change-message", class_name="text-sm font-medium text-gray-12"
            ),
            rx.el.input(
                id="change-message",
                default_value="",
                on_change=Builder.set_message,
                placeholder="For whoever reads the history (optional)",
                max_length=2000,
                auto_focus=True,
                class_name=INPUT,
            ),
            class_name="flex flex-col gap-1",
        ),
        rx.cond(
            length(Builder.changes) > 0,
            rx.el.ul(
                rx.foreach(Builder.changes, _change),
                class_name=(
                    "af-scroll max-h-56 overflow-y-auto px-3 py-1.5 rounded-md border "
                    "border-gray-a4 bg-gray-a2"
                ),
                custom_attrs={"aria-label": "Changes"},
            ),
            rx.el.p("Nothing differs from the live version.", class_name="text-base text-gray-11"),
        ),
        rx.cond(
            Builder.refused,
            rx.el.p(
                "Mend the problems in the top bar's list first; with them the draft cannot go live.",
                class_name="px-3 py-2 rounded-md bg-red-a3 text-base text-red-11",
                role="alert",
            ),
        ),
        is_open=Builder.publish_open,
        on_open_change=Builder.set_publish_open,
        description=rx.cond(
            Builder.agent.version > 0,
            "New runs will use this version. Runs under way stay on theirs.",
            "The agent goes live and can be run from anywhere.",
        ),
        actions=[
            button(
                "Publish",
                kind="primary",
                on_click=Builder.publish(definition),
                loading=Builder.publishing,
            )
        ],
    )


def conflict_dialog() -> rx.Component:
    return rx.alert_dialog.root(
        rx.alert_dialog.content(
            rx.alert_dialog.title("This draft was changed elsewhere", class_name="text-lg font-semibold"),
            rx.alert_dialog.description(
                "Another tab or another person saved it after you opened it. Nothing was overwritten. "
                "Choose which one to keep.",
                class_name="text-base text-gray-11",
            ),
            rx.el.div(
                button("Take theirs, drop mine", on_click=[act("discard"), Builder.take_theirs]),
                button(
                    "Keep mine, replace theirs",
                    kind="danger",
                    on_click=act("overwrite"),
                ),
                class_name="mt-6 flex flex-wrap justify-end gap-2",
            ),
            max_width="460px",
        ),
        open=store("status")["saved"] == "conflict",
    )
