"""All schedules: when each runs next, on its own clock, and when it ran last."""

import reflex as rx

from agentflow_app.ui.components.button import link_button
from agentflow_app.ui.components.card import card
from agentflow_app.ui.components.field import search_input
from agentflow_app.ui.components.header import page_header
from agentflow_app.ui.components.relative_time import relative_time
from agentflow_app.ui.components.states import empty_state, failure_state, skeleton_rows
from agentflow_app.ui.components.status import status_badge
from agentflow_app.ui.components.table import WIDE, cell, length, pager, row, table
from agentflow_app.ui.schedules.state import ScheduleRow, Schedules
from agentflow_app.ui.shell import shell


def _schedule(item: ScheduleRow) -> rx.Component:
    return row(
        cell(
            rx.link(
                item.agent_name,
                href="/agents/" + item.agent_id,
                class_name="font-medium text-gray-12",
                underline="hover",
            ),
            rx.el.span(item.rhythm, class_name="block font-mono text-sm text-gray-11"),
            rx.cond(
                item.problem, rx.el.span(item.problem, class_name="block text-sm text-amber-11 break-words")
            ),
            class_name="py-2",
        ),
        cell(status_badge(status=item.status), class_name=WIDE),
        cell(
            rx.el.ol(
                rx.foreach(item.upcoming, lambda each: rx.el.li(each)),
                class_name="text-sm text-gray-12 tabular-nums whitespace-nowrap",
            ),
            rx.el.span(item.zone, class_name="text-sm text-gray-11"),
            class_name="py-2",
        ),
        cell(
            rx.cond(
                item.last_run,
                rx.link(
                    relative_time(value=item.last_at),
                    href="/runs/" + item.last_run,
                    class_name="text-gray-11",
                    underline="hover",
                ),
                relative_time(value=item.last_at),
            ),
            class_name=f"text-right text-gray-11 whitespace-nowrap {WIDE}",
        ),
        key=item.id,
        data_schedule=item.id,
    )


def _nothing() -> rx.Component:
    return rx.cond(
        Schedules.search != "",
        empty_state("search-x", "No schedule fits", "Try other words."),
        empty_state(
            "calendar-clock",
            "No schedules yet",
            "Give an agent a schedule trigger and publish it: it then runs by itself, at its times.",
            link_button("Go to agents", "/agents", kind="primary"),
        ),
    )


def schedules_page() -> rx.Component:
    columns = [
        ("Agent", ""),
        ("Status", f"w-28 {WIDE}"),
        ("Next runs", "w-48"),
        ("Last run", f"w-32 text-right {WIDE}"),
    ]
    content = rx.cond(
        Schedules.loading,
        skeleton_rows(5),
        rx.cond(
            length(Schedules.rows) > 0,
            rx.fragment(
                table(columns, rx.foreach(Schedules.rows, _schedule), label="Schedules"),
                pager(Schedules.more, Schedules.load_more, False),
            ),
            _nothing(),
        ),
    )
    return shell(
        page_header("Schedules"),
        rx.cond(
            Schedules.failure.status > 0,
            failure_state(Schedules.failure, Schedules.load),
            rx.fragment(
                rx.el.div(
                    search_input(Schedules.search, Schedules.set_search, label="Search schedules"),
                    class_name="flex mb-3",
                ),
                card(content, class_name="overflow-hidden"),
            ),
        ),
        active="/schedules",
    )
