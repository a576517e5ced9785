"""All runs."""

from typing import Any

import reflex as rx

from agentflow_app.ui.components.button import button, link_button
from agentflow_app.ui.components.card import card
from agentflow_app.ui.components.field import search_input, select
from agentflow_app.ui.components.header import page_header
from agentflow_app.ui.components.relative_time import relative_time
from agentflow_app.ui.components.states import empty_state, failure_state, skeleton_rows
from agentflow_app.ui.components.status import status_badge
from agentflow_app.ui.components.table import WIDE, cell, length, pager, row, table
from agentflow_app.ui.executions.state import STATUSES, Runs
from agentflow_app.ui.executions.view import RunRow
from agentflow_app.ui.shell import shell


def run_table(rows: list[RunRow], *, label: str, choosing: bool = False) -> rx.Component:
    """Runs as a table; on a phone status, agent and time. `choosing`: two of them can be ticked."""
    return table(
        [
            *([("", f"w-8 {WIDE}")] if choosing else []),
            ("Status", "w-36"),
            ("Agent", ""),
            ("By", f"w-28 {WIDE}"),
            ("Duration", f"w-28 text-right {WIDE}"),
            ("Cost", f"w-24 text-right {WIDE}"),
            ("Started", "w-32 text-right"),
        ],
        rx.foreach(rows, lambda run: _run(run, choosing)),
        label=label,
    )


def _tick(run: RunRow) -> rx.Component:
    chosen: Any = rx.Var.create(Runs.chosen).to(list[str])
    return cell(
        rx.el.input(
            type="checkbox",
            checked=chosen.contains(run.id),
            on_change=Runs.choose(run.id),
            class_name="relative z-10 block w-4 h-4 m-1 accent-[var(--accent-9)]",
            custom_attrs={"aria-label": "Compare this run of " + run.agent_name},
        ),
        class_name=f"pr-0 {WIDE}",
    )


def _comparing() -> rx.Component:
    """What can be done with the runs that are ticked."""
    both = length(Runs.chosen) == 2
    return rx.cond(
        length(Runs.chosen) > 0,
        rx.el.div(
            rx.cond(
                both,
                link_button(
                    "Compare the two runs",
                    "/runs/" + Runs.chosen[0] + "/compare/" + Runs.chosen[1],
                    kind="primary",
                    icon_name="git-compare",
                    small=True,
                ),
                rx.el.span("Tick a second run to compare the two.", class_name="text-base text-gray-11"),
            ),
            button("Clear", kind="ghost", small=True, on_click=Runs.clear_choice),
            class_name="hidden md:flex items-center gap-2 px-4 h-11 border-b border-gray-a4 bg-accent-a2",
            role="status",
        ),
    )


def _run(run: RunRow, choosing: bool) -> rx.Component:
    return row(
        *([_tick(run)] if choosing else []),
        cell(status_badge(status=run.status)),
        cell(
            rx.link(
                run.agent_name,
                href="/runs/" + run.id,
                class_name="font-medium text-gray-12 before:absolute before:inset-0",
                underline="none",
            ),
            rx.el.span(run.version, class_name="ml-2 text-sm text-gray-11"),
            rx.cond(
                run.error,
                rx.el.span(run.error, class_name="block text-sm text-red-11 truncate max-w-md"),
                rx.cond(run.waiting, rx.el.span(run.waiting, class_name="block text-sm text-amber-11")),
            ),
            class_name="max-w-0 w-full truncate py-1",
        ),
        cell(run.trigger, class_name=f"text-gray-11 whitespace-nowrap {WIDE}"),
        cell(run.duration, class_name=f"whitespace-nowrap text-right text-gray-11 tabular-nums {WIDE}"),
        cell(run.cost, class_name=f"text-right text-gray-11 tabular-nums {WIDE}"),
        cell(relative_time(value=run.started), class_name="text-right text-gray-11 whitespace-nowrap"),
        key=run.id,
        data_run=run.id,
    )


def _filters() -> rx.Component:
    statuses = [("", "Any status"), *((status, status.capitalize()) for status in STATUSES)]
    return rx.el.div(
        search_input(Runs.search, Runs.set_search, label="Search runs"),
        select(Runs.status, statuses, Runs.set_status, label="Status"),
        select(
            Runs.kind,
            [("real", "Real runs"), ("test", "Tests"), ("all", "All")],
            Runs.set_kind,
            label="Kind of run",
        ),
        class_name="flex flex-wrap gap-2 mb-3",
    )


def _nothing() -> rx.Component:
    filtered = (Runs.search != "") | (Runs.status != "") | (Runs.kind != "real")
    return rx.cond(
        filtered,
        empty_state(
            "search-x",
            "No run fits",
            "Try other words or fewer filters.",
            button("Clear filters", on_click=Runs.clear),
        ),
        empty_state(
            "activity",
            "No runs yet",
            "Each time an agent runs it leaves a record here: every step, what went in and what came out.",
            link_button("Go to agents", "/agents", kind="primary"),
        ),
    )


def runs_page() -> rx.Component:
    content = rx.cond(
        Runs.loading,
        skeleton_rows(8),
        rx.cond(
            length(Runs.rows) > 0,
            rx.fragment(
                _comparing(),
                run_table(Runs.rows, label="Runs", choosing=True),
                pager(Runs.more, Runs.load_more, Runs.loading_more),
            ),
            _nothing(),
        ),
    )
    return shell(
        page_header("Runs"),
        rx.cond(
            Runs.failure.status > 0,
            failure_state(Runs.failure, Runs.load),
            rx.fragment(_filters(), card(content, class_name="overflow-hidden")),
        ),
        active="/runs",
    )
