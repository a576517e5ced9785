"""Below the canvas: the test that was run last, live, and the input for the next one."""

from typing import Any

import reflex as rx

from agentflow_app.ui.builder.state import Builder
from agentflow_app.ui.components.button import icon_button
from agentflow_app.ui.components.field import TEXTAREA
from agentflow_app.ui.components.status import demo_badge, status_badge
from agentflow_app.ui.executions.live import Live
from agentflow_app.ui.executions.parts import log_list, step_panel, waiting_note, waterfall


def _tab(key: str, label: str) -> rx.Component:
    chosen = Builder.tab == key
    return rx.el.button(
        label,
        type="button",
        role="tab",
        on_click=[Builder.set_tab(key), Builder.set_drawer(True)],
        class_name=rx.cond(
            chosen & Builder.drawer,
            "h-9 px-2 text-base font-medium text-gray-12 border-b-2 border-accent-9",
            "h-9 px-2 text-base text-gray-11 border-b-2 border-transparent hover:text-gray-12",
        ),
        custom_attrs={"aria-selected": chosen},
    )


def _summary() -> rx.Component:
    return rx.cond(
        Live.run.id != "",
        rx.el.div(
            status_badge(status=Live.run.status),
            waiting_note(),
            rx.el.span(Live.run.duration, class_name="text-sm text-gray-11 tabular-nums"),
            rx.el.span(Live.run.tokens, class_name="hidden lg:inline text-sm text-gray-11 tabular-nums"),
            rx.el.span(Live.run.cost, class_name="hidden lg:inline text-sm text-gray-11 tabular-nums"),
            rx.cond(Live.run.demo, demo_badge()),
            rx.link("Open run", href="/runs/" + Live.run.id, class_name="text-sm"),
            class_name="flex items-center gap-3 min-w-0",
        ),
    )


def _run() -> rx.Component:
    return rx.cond(
        Live.run.id != "",
        rx.el.div(
            rx.el.div(
                waterfall(),
                class_name="af-scroll overflow-y-auto md:w-[480px] shrink-0 border-r border-gray-a4",
            ),
            rx.el.div(step_panel(), class_name="af-scroll overflow-y-auto flex-1 min-w-0"),
            class_name="flex flex-col md:flex-row h-full min-h-0",
        ),
        rx.el.p(
            "Press Test to run what is on the canvas. Nothing is sent outside: nodes with side effects only "
            "show what they would do.",
            class_name="p-4 text-base text-gray-11 max-w-xl",
        ),
    )


def _input() -> rx.Component:
    return rx.el.div(
        rx.el.label(
            "Trigger data, as JSON",
            html_for="sample",
            class_name="block mb-1 text-sm font-medium text-gray-12",
        ),
        rx.el.textarea(
            id="sample",
            default_value=Builder.sample,
            key=Builder.draft["key"].to_string() + Builder.agent.id,
            on_blur=Builder.set_sample,
            spell_check=False,
            rows=9,
            class_name=f"{TEXTAREA} font-mono text-sm max-w-2xl",
            custom_attrs={"aria-invalid": Builder.sample_error != "", "aria-describedby": "sample-note"},
        ),
        rx.cond(
            Builder.sample_error,
            rx.el.p(
                Builder.sample_error, id="sample-note", class_name="mt-1 text-sm text-red-11", role="alert"
            ),
            rx.el.p(
                "Used by Test and Run. It starts as what the last run was given.",
                id="sample-note",
                class_name="mt-1 text-sm text-gray-11",
            ),
        ),
        class_name="p-4",
    )


def run_drawer() -> rx.Component:
    body: Any = rx.match(Builder.tab, ("input", _input()), ("logs", log_list()), _run())
    return rx.el.section(
        rx.el.div(
            rx.el.div(
                _tab("run", "Test run"),
                _tab("input", "Input"),
                _tab("logs", "Log"),
                role="tablist",
                class_name="flex gap-1",
            ),
            _summary(),
            rx.cond(
                Builder.drawer,
                icon_button(
                    "chevron-down",
                    "Close",
                    small=True,
                    on_click=Builder.set_drawer(False),
                    class_name="ml-auto",
                ),
                icon_button(
                    "chevron-up", "Open", small=True, on_click=Builder.set_drawer(True), class_name="ml-auto"
                ),
            ),
            class_name="flex items-center gap-4 h-9 px-3 border-b border-gray-a4 shrink-0",
        ),
        rx.cond(Builder.drawer, rx.el.div(body, class_name="af-scroll flex-1 min-h-0 overflow-y-auto")),
        class_name=rx.cond(
            Builder.drawer,
            "flex flex-col h-80 shrink-0 bg-panel border-t border-gray-a5",
            "flex flex-col shrink-0 bg-panel border-t border-gray-a5",
        ),
        custom_attrs={"aria-label": "Test"},
    )
