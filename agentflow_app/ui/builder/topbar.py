"""The builder's top bar: whose draft this is, whether it is saved and sound, and what can be done with it."""

from typing import Any

import reflex as rx

from agentflow_app.ui.builder.agent_settings import settings_button
from agentflow_app.ui.builder.state import Builder
from agentflow_app.ui.canvas.binding import act, store
from agentflow_app.ui.components.button import button, icon_button
from agentflow_app.ui.components.icon import icon
from agentflow_app.ui.components.status import status_badge
from agentflow_app.ui.components.table import length
from agentflow_app.ui.shell import Shell


def _saved_state() -> rx.Component:
    saved = store("status")["saved"].to(str)

    def says(icon_name: str, text: str, tone: str = "text-gray-11", motion: str = "") -> rx.Component:
        return rx.el.span(
            icon(icon_name, size=14, class_name=motion),
            rx.el.span(text, class_name="hidden lg:inline"),
            class_name=f"inline-flex items-center gap-1 text-sm whitespace-nowrap {tone}",
        )

    return rx.el.span(
        rx.match(
            saved,
            ("saved", says("cloud-check", "Saved")),
            ("dirty", says("cloud-upload", "Saving…")),
            ("saving", says("cloud-upload", "Saving…")),
            ("failed", says("cloud-off", "Not saved", "text-red-11")),
            ("conflict", says("triangle-alert", "Conflict", "text-red-11")),
            rx.fragment(),
        ),
        role="status",
        class_name="flex items-center",
        data_saved=saved,
    )


def _problem(problem: Any) -> rx.Component:
    return rx.el.li(
        rx.popover.close(
            rx.el.button(
                icon("triangle-alert", size=14, class_name="mt-0.5"),
                rx.el.span(
                    rx.el.span(problem["message"].to(str), class_name="block text-base text-gray-12"),
                    rx.el.span(
                        problem["node_id"].to(str),
                        rx.cond(problem["field"], " / ", ""),
                        problem["field"].to(str),
                        class_name="block text-xs text-gray-11",
                    ),
                ),
                type="button",
                on_click=act("reveal", problem["node_id"]),
                class_name=rx.cond(
                    problem["severity"] == "error",
                    "flex gap-2 w-full p-2 rounded-md text-left text-red-11 hover:bg-gray-a3",
                    "flex gap-2 w-full p-2 rounded-md text-left text-amber-11 hover:bg-gray-a3",
                ),
            )
        )
    )


def _problems() -> rx.Component:
    count = length(Builder.problems)
    return rx.cond(
        count > 0,
        rx.popover.root(
            rx.popover.trigger(
                button(
                    rx.fragment(count, rx.cond(count == 1, " problem", " problems")),
                    icon_name="triangle-alert",
                    kind="ghost",
                    small=True,
                    class_name="text-amber-11",
                )
            ),
            rx.popover.content(
                rx.el.ul(rx.foreach(Builder.problems, _problem), class_name="flex flex-col"),
                width="360px",
                max_height="60vh",
                size="1",
            ),
        ),
    )


def _name() -> rx.Component:
    return rx.el.input(
        default_value=Builder.agent.name,
        key=Builder.agent.id + Builder.agent.name,
        on_blur=Builder.rename,
        read_only=~Shell.can_write,
        max_length=255,
        class_name=(
            "h-7 px-1.5 -ml-1.5 min-w-24 max-w-80 [field-sizing:content] rounded-md "
            "bg-transparent text-md font-semibold text-gray-12 truncate "
            "hover:bg-gray-a3 focus:bg-transparent"
        ),
        custom_attrs={"aria-label": "Name of the agent"},
    )


def _history() -> rx.Component:
    status = store("status")
    return rx.el.div(
        icon_button(
            "undo-2", "Undo", small=True, on_click=act("undo"), disabled=~status["can_undo"].to(bool)
        ),
        icon_button(
            "redo-2", "Redo", small=True, on_click=act("redo"), disabled=~status["can_redo"].to(bool)
        ),
        icon_button("network", "Arrange the nodes", small=True, on_click=act("tidy")),
        settings_button(),
        class_name="hidden md:flex items-center",
    )


def _actions() -> rx.Component:
    definition = store("definition")
    held = store("status")["saved"] == "conflict"
    return rx.cond(
        Shell.can_write,
        rx.el.div(
            button(
                "Test",
                icon_name="flask-conical",
                on_click=Builder.test(definition),
                loading=Builder.testing,
                small=True,
            ),
            button(
                "Publish",
                kind="primary",
                icon_name="rocket",
                small=True,
                on_click=[act("flush"), Builder.open_publish(definition)],
                disabled=held,
            ),
            rx.cond(
                Builder.agent.version > 0,
                button("Run", icon_name="play", small=True, on_click=Builder.run),
            ),
            class_name="flex items-center gap-2 shrink-0",
        ),
        rx.el.span("You can look, not change.", class_name="text-sm text-gray-11 whitespace-nowrap"),
    )


def top_bar() -> rx.Component:
    return rx.el.header(
        rx.tooltip(
            rx.link(
                icon("arrow-left", size=16),
                href="/agents",
                class_name=(
                    "flex items-center justify-center w-7 h-7 rounded-md text-gray-11 hover:bg-gray-a3"
                ),
                custom_attrs={"aria-label": "Back to all agents"},
            ),
            content="All agents",
        ),
        rx.el.h1(Builder.agent.name, class_name="sr-only"),
        _name(),
        rx.el.div(
            status_badge(status=Builder.agent.status),
            rx.cond(
                Builder.agent.version > 0,
                rx.el.span(
                    "v",
                    Builder.agent.version,
                    class_name="hidden lg:inline text-sm text-gray-11 tabular-nums",
                ),
            ),
            rx.cond(
                Builder.unpublished & (Builder.agent.version > 0),
                rx.tooltip(
                    rx.el.span("Edited", class_name="hidden lg:inline text-sm text-amber-11"),
                    content="This draft differs from the live version.",
                ),
            ),
            _saved_state(),
            class_name="flex items-center gap-2.5",
        ),
        rx.el.div(_problems(), _history(), class_name="ml-auto flex items-center gap-1"),
        _actions(),
        class_name=(
            "flex items-center gap-2 h-12 px-2.5 bg-panel border-b border-gray-a5 shrink-0 overflow-x-auto"
        ),
    )
