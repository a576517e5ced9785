"""Two runs side by side: what each was, and step by step what differs."""

from typing import Any

import reflex as rx

from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.card import card
from agentflow_app.ui.components.header import page_header
from agentflow_app.ui.components.icon import icon
from agentflow_app.ui.components.relative_time import relative_time
from agentflow_app.ui.components.states import failure_state, skeleton
from agentflow_app.ui.components.status import status_badge, status_icon
from agentflow_app.ui.executions.comparison_state import Comparison
from agentflow_app.ui.executions.differences import ComparedRow, Line, Side, ValueChange
from agentflow_app.ui.executions.view import RunRow
from agentflow_app.ui.shell import shell

_LINE = "px-3 py-px whitespace-pre-wrap break-words"
_LOOKS = {
    "-": f"{_LINE} bg-red-a3 text-red-11",
    "+": f"{_LINE} bg-green-a3 text-green-11",
    "@": f"{_LINE} text-gray-11",
}


def _is_replay() -> Any:
    return Comparison.right.replay_of == Comparison.left.id


def _names() -> tuple[Any, Any]:
    """What the two are called."""
    return rx.cond(_is_replay(), "Original", "First run"), rx.cond(_is_replay(), "Replay", "Second run")


def _run(name: Any, run: RunRow) -> rx.Component:
    return card(
        rx.el.div(
            rx.el.h2(name, class_name="text-md font-semibold text-gray-12"),
            status_badge(status=run.status),
            rx.cond(run.dry_run, rx.el.span("Test", class_name="text-sm text-gray-11")),
            class_name="flex flex-wrap items-center gap-2",
        ),
        rx.el.div(
            rx.link(run.agent_name, href="/runs/" + run.id, class_name="text-base"),
            rx.el.span(run.version),
            rx.el.span(run.trigger),
            relative_time(value=run.started),
            rx.cond(run.duration, rx.el.span(run.duration)),
            rx.cond(run.tokens, rx.el.span(run.tokens)),
            rx.cond(run.cost, rx.el.span(run.cost)),
            class_name="mt-1 flex flex-wrap gap-x-4 gap-y-1 text-base text-gray-11 tabular-nums",
        ),
        class_name="p-4 min-w-0",
    )


def _side(side: Side) -> rx.Component:
    return rx.el.span(
        rx.cond(
            side.status,
            status_icon(status=side.status),
            rx.el.span("none", class_name="text-xs text-gray-11"),
        ),
        rx.el.span(side.facts, class_name="hidden sm:inline text-sm text-gray-11 tabular-nums truncate"),
        class_name="flex items-center gap-1.5 w-8 sm:w-32 shrink-0 min-w-0",
    )


def _row(row: ComparedRow) -> rx.Component:
    chosen = Comparison.detail.key == row.key
    return rx.el.li(
        rx.el.button(
            rx.el.span(
                rx.el.span(row.label, class_name="block truncate text-base text-gray-12", title=row.label),
                rx.cond(
                    row.told,
                    rx.el.span(row.told, class_name="block truncate text-sm text-amber-11"),
                    rx.el.span(
                        rx.cond(row.change == "same", "Same", "Same, but for time or cost"),
                        class_name="block truncate text-sm text-gray-11",
                    ),
                ),
                class_name="flex-1 min-w-0 text-left",
            ),
            _side(row.left),
            _side(row.right),
            type="button",
            on_click=Comparison.choose(row.key),
            class_name=rx.cond(
                chosen,
                "flex items-center gap-2.5 w-full min-h-11 px-4 py-1 bg-accent-a3",
                "flex items-center gap-2.5 w-full min-h-11 px-4 py-1 hover:bg-gray-a2",
            ),
            custom_attrs={"aria-pressed": chosen},
        ),
        key=row.key,
        data_change=row.change,
        data_step=row.key,
    )


def _steps() -> rx.Component:
    first, second = _names()
    return card(
        rx.el.div(
            rx.el.h2("Steps", class_name="flex-1 text-md font-semibold text-gray-12"),
            *(
                rx.el.span(name, class_name="hidden sm:block w-32 shrink-0 text-sm text-gray-11")
                for name in (first, second)
            ),
            class_name="flex items-center gap-2.5 h-11 px-4 border-b border-gray-a4",
        ),
        rx.el.ol(
            rx.foreach(Comparison.shown, _row),
            class_name="py-1",
            custom_attrs={"aria-label": "Steps of both runs"},
        ),
        rx.cond(
            Comparison.quiet > 0,
            rx.el.div(
                rx.cond(
                    Comparison.narrowed,
                    button(
                        rx.cond(
                            Comparison.quiet == 1,
                            "Show the step that is the same",
                            "Show the " + Comparison.quiet.to_string() + " steps that are the same",
                        ),
                        kind="ghost",
                        small=True,
                        on_click=Comparison.only_what_differs(False),
                    ),
                    button(
                        "Show only what differs",
                        kind="ghost",
                        small=True,
                        on_click=Comparison.only_what_differs(True),
                    ),
                ),
                class_name="px-2 py-2 border-t border-gray-a3",
            ),
        ),
        class_name="overflow-hidden min-w-0",
    )


def _line(line: Line) -> rx.Component:
    return rx.el.div(
        rx.el.span(line.mark, class_name="inline-block w-4 select-none"),
        line.text,
        class_name=rx.match(line.mark, *_LOOKS.items(), f"{_LINE} text-gray-12"),
    )


def _value(value: ValueChange) -> rx.Component:
    return rx.el.div(
        rx.el.h3(value.title, class_name="mb-1 text-sm font-medium text-gray-11"),
        rx.el.div(
            rx.foreach(value.lines, _line),
            class_name=(
                "af-scroll max-h-[480px] overflow-y-auto py-1 rounded-md border border-gray-a4 "
                "font-mono text-sm"
            ),
            tab_index=0,
            role="region",
            custom_attrs={"aria-label": value.title},
        ),
        rx.cond(
            value.part,
            rx.el.p(
                "Only the beginning is compared here; the runs' own pages have all of it.",
                class_name="mt-1 text-sm text-gray-11",
            ),
        ),
        key=value.title,
        class_name="min-w-0",
    )


def _told(name: Any, side: Side) -> rx.Component:
    return rx.el.div(
        rx.el.span(name, class_name="w-24 shrink-0 text-sm text-gray-11"),
        rx.cond(
            side.status,
            rx.fragment(
                status_badge(status=side.status),
                rx.el.span(side.facts, class_name="text-sm text-gray-11 tabular-nums"),
            ),
            rx.el.span("Has no such step", class_name="text-base text-gray-11"),
        ),
        class_name="flex items-center gap-2 min-h-6",
    )


def _detail() -> rx.Component:
    detail = Comparison.detail
    first, second = _names()
    return card(
        rx.el.h2(detail.label, class_name="text-md font-semibold text-gray-12 truncate"),
        rx.el.div(_told(first, detail.left), _told(second, detail.right), class_name="mt-2"),
        rx.cond(
            detail.changes,
            rx.el.div(
                rx.el.p(
                    rx.el.span("- ", class_name="font-mono text-red-11"),
                    first,
                    rx.el.span("+ ", class_name="ml-4 font-mono text-green-11"),
                    second,
                    class_name="text-sm text-gray-11",
                ),
                rx.foreach(detail.changes, _value),
                class_name="mt-3 flex flex-col gap-3",
            ),
            rx.cond(
                (detail.change == "same") | (detail.change == "figures"),
                rx.el.p(
                    icon("equal", size=14),
                    "What it was given and what it came to are the same in both.",
                    class_name="mt-3 flex items-center gap-1.5 text-base text-gray-11",
                ),
            ),
        ),
        class_name="p-4 min-w-0",
        custom_attrs={"aria-live": "polite"},
    )


def _loading() -> rx.Component:
    pair = "grid lg:grid-cols-2 gap-4 mt-4"
    return rx.el.div(
        skeleton("h-7 w-64"),
        rx.el.div(skeleton("h-20 w-full"), skeleton("h-20 w-full"), class_name=pair),
        rx.el.div(skeleton("h-64 w-full"), skeleton("h-64 w-full"), class_name=pair),
        role="status",
        custom_attrs={"aria-label": "Loading"},
    )


def comparison_page() -> rx.Component:
    first, second = _names()
    content = rx.fragment(
        rx.el.nav(
            rx.link("Runs", href="/runs", class_name="text-base text-gray-11"),
            icon("chevron-right", size=14, class_name="text-gray-9"),
            rx.link(
                Comparison.right.agent_name,
                href="/runs/" + Comparison.right.id,
                class_name="text-base text-gray-11",
            ),
            class_name="flex items-center gap-1 mb-1",
            custom_attrs={"aria-label": "Where this is"},
        ),
        page_header("Two runs compared"),
        rx.el.div(
            _run(first, Comparison.left),
            _run(second, Comparison.right),
            class_name="grid md:grid-cols-2 gap-4",
        ),
        rx.el.div(_steps(), _detail(), class_name="grid lg:grid-cols-2 gap-4 mt-4 items-start"),
    )
    return shell(
        rx.cond(
            Comparison.failure.status > 0,
            failure_state(Comparison.failure, Comparison.load),
            rx.cond(Comparison.loading | ~rx.State.is_hydrated, _loading(), content),
        ),
        active="/runs",
    )
