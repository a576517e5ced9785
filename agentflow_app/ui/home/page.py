"""Home: the last runs, the figures of the day, and what needs someone."""

import reflex as rx

from agentflow_app.ui.components.button import button, link_button
from agentflow_app.ui.components.card import card, figure, section
from agentflow_app.ui.components.header import page_header
from agentflow_app.ui.components.icon import icon
from agentflow_app.ui.components.relative_time import relative_time
from agentflow_app.ui.components.states import empty_state, failure_state, skeleton, skeleton_rows
from agentflow_app.ui.components.table import length
from agentflow_app.ui.executions.list_page import run_table
from agentflow_app.ui.home.state import FailingRow, Home
from agentflow_app.ui.shell import Shell, shell


def _welcome() -> rx.Component:
    sample = Home.sample
    return rx.cond(
        sample.id != "",
        card(
            rx.el.div(
                rx.el.h2("Your first agent has already run", class_name="text-lg font-semibold text-gray-12"),
                rx.el.p(
                    rx.el.span(sample.name, class_name="font-medium text-gray-12"),
                    ". ",
                    rx.cond(sample.description, sample.description, "It came with your organization."),
                    " Open it, change it on the canvas, and watch each step as it runs.",
                    class_name="mt-1 text-base text-gray-11 max-w-2xl text-pretty",
                ),
                class_name="min-w-0",
            ),
            rx.el.div(
                rx.cond(
                    Shell.can_write,
                    button(
                        "Run it again",
                        kind="primary",
                        icon_name="play",
                        on_click=Home.run_sample,
                        loading=Home.starting,
                    ),
                ),
                link_button("Open on the canvas", "/agents/" + sample.id, icon_name="workflow"),
                class_name="flex flex-wrap gap-2 shrink-0",
            ),
            class_name="flex flex-wrap items-center justify-between gap-4 p-4 mb-4",
        ),
    )


def _figures() -> rx.Component:
    return rx.el.div(
        figure(
            "Runs today",
            rx.cond(Home.loading, skeleton("h-6 w-12 mt-1"), rx.el.span(Home.runs_today)),
            rx.cond(Home.running > 0, rx.el.span(Home.running, " running now", class_name="text-blue-11")),
        ),
        figure(
            "Success rate",
            rx.cond(Home.loading, skeleton("h-6 w-16 mt-1"), rx.el.span(Home.success_rate)),
            rx.el.span("Last 7 days"),
        ),
        figure(
            "Cost today",
            rx.cond(Home.loading, skeleton("h-6 w-16 mt-1"), rx.el.span(Home.cost_today)),
            rx.cond(Home.tokens_today > 0, rx.el.span(Home.tokens_today, " tokens")),
        ),
        figure(
            "Waiting approvals",
            rx.cond(Home.loading, skeleton("h-6 w-8 mt-1"), rx.el.span(Home.waiting)),
            rx.cond(Home.waiting > 0, rx.link("Decide now", href="/approvals", class_name="text-sm")),
        ),
        class_name="grid grid-cols-2 lg:grid-cols-4 gap-4 mb-4",
    )


def _failing(agent: FailingRow) -> rx.Component:
    return rx.el.li(
        icon("triangle-alert", size=16, class_name="text-red-9"),
        rx.link(
            agent.name, href="/agents/" + agent.id, class_name="text-base font-medium text-gray-12 truncate"
        ),
        rx.el.span(
            agent.failures,
            rx.cond(agent.failures == 1, " failure", " failures"),
            class_name="ml-auto text-sm text-gray-11 whitespace-nowrap",
        ),
        relative_time(value=agent.last, class_name="text-sm text-gray-11 whitespace-nowrap"),
        key=agent.id,
        class_name="flex items-center gap-3 h-11 px-4 border-b border-gray-a3 last:border-0",
    )


def _recent() -> rx.Component:
    return section(
        "Last runs",
        rx.cond(
            Home.loading,
            skeleton_rows(5),
            rx.cond(
                length(Home.rows) > 0,
                run_table(Home.rows, label="Last runs"),
                empty_state(
                    "activity",
                    "No runs yet",
                    "Build an agent and run it; what it does shows up here.",
                    link_button("Go to agents", "/agents", kind="primary"),
                ),
            ),
        ),
        action=rx.link("All runs", href="/runs", class_name="text-base"),
    )


def home_page() -> rx.Component:
    content = rx.fragment(
        _welcome(),
        _figures(),
        rx.cond(
            length(Home.failing) > 0,
            section("Failing agents", rx.el.ul(rx.foreach(Home.failing, _failing)), class_name="mb-4"),
        ),
        _recent(),
    )
    return shell(
        page_header("Home"),
        rx.cond(
            Home.failure.status > 0,
            failure_state(Home.failure, Home.load),
            content,
        ),
        active="/",
    )
