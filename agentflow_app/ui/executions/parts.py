"""What a run looks like, on its page and in the builder: its waterfall, one step in full, its log."""

from typing import Any

import reflex as rx

from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.field import TEXTAREA
from agentflow_app.ui.components.icon import icon
from agentflow_app.ui.components.json_view import json_view
from agentflow_app.ui.components.states import empty_state
from agentflow_app.ui.components.status import demo_badge, status_badge, status_icon
from agentflow_app.ui.components.table import length
from agentflow_app.ui.executions.live import Live
from agentflow_app.ui.executions.view import LogRow, StepRow
from agentflow_app.ui.shell import Shell
from agentflow_app.ui.theme import STATUS_TONES

_BAR = {
    "green": "bg-green-8",
    "blue": "bg-blue-8",
    "amber": "bg-amber-8",
    "red": "bg-red-8",
    "gray": "bg-gray-6",
}


def _bar(step: StepRow) -> rx.Component:
    tone = rx.match(step.status, *((s, _BAR[t]) for s, t in STATUS_TONES.items()), _BAR["gray"])
    return rx.el.div(
        rx.el.div(
            class_name=f"absolute top-1/2 -translate-y-1/2 h-2 rounded-sm {tone}",
            style={"left": step.left, "width": step.width},
        ),
        class_name="relative h-full flex-1 min-w-16 hidden sm:block",
        custom_attrs={"aria-hidden": "true"},
    )


def _step(step: StepRow) -> rx.Component:
    chosen = Live.detail.id == step.id
    return rx.el.li(
        rx.el.button(
            status_icon(status=step.status),
            rx.el.span(
                step.label,
                class_name="w-40 shrink-0 truncate text-base text-gray-12 text-left",
                title=step.label,
            ),
            _bar(step),
            rx.cond(
                step.attempts > 1,
                rx.el.span(step.attempts, " attempts", class_name="text-xs text-amber-11 tabular-nums"),
            ),
            rx.el.span(
                step.duration, class_name="w-16 shrink-0 ml-auto text-right text-sm text-gray-11 tabular-nums"
            ),
            type="button",
            on_click=Live.select_step(step.id),
            class_name=rx.cond(
                chosen,
                "flex items-center gap-2.5 w-full h-9 px-3 bg-accent-a3",
                "flex items-center gap-2.5 w-full h-9 px-3 hover:bg-gray-a2",
            ),
            custom_attrs={"aria-pressed": chosen},
        ),
        key=step.id,
        data_status=step.status,
        data_step=step.node_id,
    )


def waterfall() -> rx.Component:
    """The steps over the run's time; a click shows one in full."""
    return rx.el.ol(
        rx.foreach(Live.steps, _step), class_name="py-1", custom_attrs={"aria-label": "Steps of the run"}
    )


def _block(title: str, *children: Any) -> rx.Component:
    return rx.el.div(
        rx.el.h3(title, class_name="mb-1 text-sm font-medium text-gray-11"), *children, class_name="min-w-0"
    )


def rest(is_part: Any, part: str, name: str) -> rx.Component:
    """The way to all of a value that is too large for the page; `part` as in `Live.download`."""
    return rx.cond(
        is_part,
        rx.el.div(
            rx.el.span("This is only the beginning.", class_name="text-sm text-gray-11"),
            button(f"Download the {name}", icon_name="download", on_click=Live.download(part)),
            class_name="flex flex-wrap items-center gap-2 mt-2",
        ),
    )


def draft_editor(draft: str, step_id: str, on_change: Any) -> rx.Component:
    """What is to be approved, where the approver may change it first."""
    return rx.el.textarea(
        default_value=draft,
        key=step_id,
        on_blur=on_change,
        rows=4,
        class_name=TEXTAREA,
        custom_attrs={"aria-label": "What is to be approved; you may change it"},
    )


def decision() -> rx.Component:
    """Approve or reject, where the step that is looked at waits for it."""
    return rx.cond(
        Live.detail.status == "waiting_approval",
        rx.el.div(
            rx.el.p(Live.detail.approval, class_name="text-base font-medium text-gray-12"),
            rx.cond(
                Live.detail.editable & Shell.can_write,
                draft_editor(Live.detail.draft, Live.detail.id, Live.set_edited),
                rx.cond(Live.detail.show, json_view(value=Live.detail.show, label="What is to be approved")),
            ),
            rx.cond(
                Shell.can_write,
                rx.el.div(
                    rx.el.input(
                        value=Live.comment,
                        on_change=Live.set_comment,
                        placeholder="Comment (optional)",
                        class_name="af-field flex-1 min-w-full sm:min-w-40 h-8 px-2.5 rounded-md text-base",
                        custom_attrs={"aria-label": "Comment"},
                    ),
                    button("Approve", kind="primary", icon_name="check", on_click=Live.decide("approved")),
                    button("Reject", icon_name="x", on_click=Live.decide("rejected")),
                    class_name="flex flex-wrap gap-2",
                ),
            ),
            class_name="flex flex-col gap-3 p-3 rounded-lg border border-amber-a6 bg-amber-a2",
        ),
    )


def asked() -> rx.Component:
    """What the step that is looked at waits for: a form in the inbox, or a call."""
    return rx.cond(
        Live.detail.asks,
        rx.el.div(
            rx.el.p(Live.detail.asks, class_name="text-base text-gray-12 break-all select-all"),
            rx.cond(
                ~Live.detail.asks.startswith("POST "),
                rx.link("Fill in the form", href="/approvals", class_name="text-base text-accent-11"),
            ),
            class_name="flex flex-col gap-2 p-3 rounded-lg border border-amber-a6 bg-amber-a2",
        ),
    )


def _called() -> rx.Component:
    """The way to the run that the step called."""
    return rx.cond(
        Live.detail.called_run,
        rx.link(
            icon("bot", size=14),
            "Open the run that it called",
            href="/runs/" + Live.detail.called_run,
            class_name="inline-flex items-center gap-1.5 self-start text-base text-accent-11",
        ),
    )


def step_panel() -> rx.Component:
    """The step that is looked at: what went in, what came out, and why it failed."""
    step = Live.detail
    return rx.cond(
        step.id != "",
        rx.el.div(
            rx.el.div(
                rx.el.h2(step.label, class_name="text-md font-semibold text-gray-12 truncate"),
                status_badge(status=step.status),
                rx.cond(step.demo, demo_badge()),
                rx.el.span(step.facts, class_name="text-sm text-gray-11 tabular-nums"),
                class_name="flex flex-wrap items-center gap-2",
            ),
            decision(),
            asked(),
            _called(),
            rx.cond(
                step.error_message,
                rx.el.div(
                    rx.el.p(step.error_message, class_name="text-base text-red-11 break-words"),
                    rx.el.code(step.error_code, class_name="font-mono text-xs text-red-11"),
                    rx.cond(step.error_details, json_view(value=step.error_details, label="Error details")),
                    class_name="flex flex-col gap-1.5 p-3 rounded-lg bg-red-a3",
                    role="alert",
                ),
            ),
            rx.cond(step.text, _block("Result", json_view(value=step.text, label="Result"))),
            rx.el.div(
                rx.cond(
                    step.has_output,
                    _block(
                        "Output",
                        json_view(value=step.output, label="Output"),
                        rest(step.part_of_output, "output", "output"),
                    ),
                    _block("Output", rx.el.p("None", class_name="text-base text-gray-11")),
                ),
                _block(
                    "Input",
                    json_view(value=step.input, label="Input"),
                    rest(step.part_of_input, "input", "input"),
                ),
                class_name="flex flex-col gap-4",
            ),
            class_name="flex flex-col gap-4 p-4 min-w-0",
        ),
        empty_state(
            "mouse-pointer-click", "No step chosen", "Choose a step to see what went in and what came out."
        ),
    )


def _log(entry: LogRow) -> rx.Component:
    return rx.el.li(
        rx.el.span(entry.time, class_name="shrink-0 text-gray-11"),
        rx.el.span(
            entry.level,
            class_name=rx.match(
                entry.level,
                ("error", "shrink-0 w-14 text-red-11"),
                ("warning", "shrink-0 w-14 text-amber-11"),
                "shrink-0 w-14 text-gray-11",
            ),
        ),
        rx.el.span(entry.message, class_name="text-gray-12 break-words whitespace-pre-wrap min-w-0"),
        rx.el.span(entry.data, class_name="text-gray-11 break-all"),
        class_name="flex gap-3 px-4 py-0.5",
    )


def log_list() -> rx.Component:
    return rx.cond(
        length(Live.logs) > 0,
        rx.el.ol(rx.foreach(Live.logs, _log), class_name="py-2 font-mono text-sm"),
        rx.el.p("Nothing was logged.", class_name="p-4 text-base text-gray-11"),
    )


def waiting_note() -> rx.Component:
    """Why the run stands still."""
    return rx.cond(
        Live.run.waiting,
        rx.el.span(
            icon("clock", size=14),
            Live.run.waiting,
            class_name="inline-flex items-center gap-1 text-sm text-amber-11",
        ),
    )
