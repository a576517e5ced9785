"""All agents."""

from typing import Any

import reflex as rx

from agentflow_app.ui.agents.state import STATUSES, AgentRow, Agents
from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.card import card
from agentflow_app.ui.components.dialog import confirm_dialog, dialog
from agentflow_app.ui.components.field import INPUT, TEXTAREA, search_input, select
from agentflow_app.ui.components.header import page_header
from agentflow_app.ui.components.icon import icon
from agentflow_app.ui.components.relative_time import relative_time
from agentflow_app.ui.components.states import empty_state, failure_state, skeleton_rows
from agentflow_app.ui.components.status import status_badge
from agentflow_app.ui.components.table import WIDE, cell, length, pager, row, table
from agentflow_app.ui.shell import Shell, shell

_CHOICE = "p-3 rounded-lg border cursor-pointer has-[:focus-visible]:outline-2"
_SOURCES = (
    ("blank", "Blank", "A manual trigger and nothing else.", "square-dashed"),
    ("sample", "Lead router", "Classifies leads and asks before a hot one is answered.", "workflow"),
    ("import", "Import", "A definition as JSON.", "file-json"),
)


def _menu(agent: AgentRow) -> rx.Component:
    return rx.menu.root(
        rx.menu.trigger(
            rx.el.button(
                icon("ellipsis", size=16),
                type="button",
                class_name=(
                    "relative z-10 flex items-center justify-center w-7 h-7 rounded-md "
                    "text-gray-11 hover:bg-gray-a4"
                ),
                custom_attrs={"aria-label": "More about " + agent.name},
            )
        ),
        rx.menu.content(
            rx.match(
                agent.status,
                (
                    "active",
                    rx.menu.item(
                        icon("circle-pause", size=14),
                        "Pause",
                        on_click=Agents.set_agent_status(agent.id, "paused"),
                    ),
                ),
                (
                    "paused",
                    rx.menu.item(
                        icon("circle-play", size=14),
                        "Activate",
                        on_click=Agents.set_agent_status(agent.id, "active"),
                    ),
                ),
                (
                    "archived",
                    rx.menu.item(
                        icon("archive-restore", size=14),
                        "Bring back",
                        on_click=Agents.set_agent_status(agent.id, "active"),
                    ),
                ),
                rx.fragment(),
            ),
            rx.cond(
                agent.status != "archived",
                rx.menu.item(
                    icon("archive", size=14),
                    "Archive…",
                    color="red",
                    on_click=Agents.ask_archive(agent.id, agent.name),
                ),
            ),
            size="1",
            variant="soft",
            align="end",
        ),
        modal=False,
    )


def _agent(agent: AgentRow) -> rx.Component:
    return row(
        cell(
            rx.link(
                agent.name,
                href="/agents/" + agent.id,
                underline="none",
                class_name="font-medium text-gray-12 before:absolute before:inset-0",
            ),
            rx.el.span(agent.version, class_name="ml-2 text-sm text-gray-11"),
            rx.cond(
                agent.description,
                rx.el.span(agent.description, class_name="block text-sm text-gray-11 truncate"),
            ),
            class_name="max-w-0 w-full truncate py-1.5",
        ),
        cell(status_badge(status=agent.status)),
        cell(agent.trigger, class_name=f"text-gray-11 {WIDE}"),
        cell(agent.runs, class_name=f"text-right text-gray-11 tabular-nums {WIDE}"),
        cell(agent.success, class_name=f"text-right text-gray-11 tabular-nums {WIDE}"),
        cell(
            rx.cond(agent.last_run, relative_time(value=agent.last_run), "Never"),
            class_name=f"text-right text-gray-11 whitespace-nowrap {WIDE}",
        ),
        cell(rx.cond(Shell.can_write, _menu(agent)), class_name="w-10 !pl-0"),
        key=agent.id,
        data_agent=agent.id,
    )


def _source(key: str, title: str, text: str, icon_name: str) -> rx.Component:
    chosen: Any = Agents.source == key
    return rx.el.label(
        rx.el.input(
            type="radio",
            name="source",
            value=key,
            checked=chosen,
            on_change=Agents.set_source(key),
            class_name="sr-only peer",
        ),
        icon(icon_name, size=16, class_name="text-gray-11"),
        rx.el.span(title, class_name="mt-2 block text-base font-medium text-gray-12"),
        rx.el.span(text, class_name="block text-sm text-gray-11"),
        class_name=rx.cond(
            chosen,
            f"{_CHOICE} border-accent-8 bg-accent-a2",
            f"{_CHOICE} border-gray-a5 hover:border-gray-a8",
        ),
    )


def _new_dialog() -> rx.Component:
    return dialog(
        "New agent",
        rx.el.fieldset(
            rx.el.legend("Start from", class_name="mb-1 text-sm font-medium text-gray-12"),
            rx.el.div(
                *[_source(*source) for source in _SOURCES], class_name="grid grid-cols-1 sm:grid-cols-3 gap-2"
            ),
        ),
        rx.el.div(
            rx.el.label(
                "Name", html_for="agent-name", class_name="block mb-1 text-sm font-medium text-gray-12"
            ),
            rx.el.input(
                id="agent-name",
                default_value="",
                on_change=Agents.set_name,
                max_length=255,
                auto_focus=True,
                auto_complete="off",
                class_name=INPUT,
                custom_attrs={"aria-describedby": "agent-error"},
            ),
        ),
        rx.cond(
            Agents.source == "import",
            rx.el.div(
                rx.el.label(
                    "Definition",
                    html_for="agent-json",
                    class_name="block mb-1 text-sm font-medium text-gray-12",
                ),
                rx.el.textarea(
                    id="agent-json",
                    default_value="",
                    on_blur=Agents.set_pasted,
                    rows=8,
                    placeholder='{"schema_version": 1, "nodes": [ … ], "edges": [ … ]}',
                    spell_check=False,
                    class_name=f"{TEXTAREA} font-mono text-sm",
                ),
            ),
        ),
        rx.cond(
            Agents.form_error,
            rx.el.p(Agents.form_error, id="agent-error", role="alert", class_name="text-sm text-red-11"),
        ),
        is_open=Agents.creating,
        on_open_change=Agents.set_creating,
        description="You can change everything later on the canvas.",
        actions=[button("Create agent", kind="primary", on_click=Agents.create_agent, loading=Agents.busy)],
        wide=True,
    )


def _nothing() -> rx.Component:
    return rx.cond(
        (Agents.search != "") | (Agents.status != ""),
        empty_state(
            "search-x",
            "No agent fits",
            "Try other words or another status.",
            button("Clear filters", on_click=Agents.clear),
        ),
        empty_state(
            "workflow",
            "No agents yet",
            "An agent is a graph of steps: what starts it, what it does, and who is asked before it acts.",
            rx.cond(
                Shell.can_write,
                button("New agent", kind="primary", icon_name="plus", on_click=Agents.open_new("blank")),
            ),
        ),
    )


def agents_page() -> rx.Component:
    statuses = [("", "Any status"), *((status, status.capitalize()) for status in STATUSES)]
    listing = table(
        [
            ("Name", ""),
            ("Status", "w-28"),
            ("Trigger", f"w-28 {WIDE}"),
            ("Runs", f"w-20 text-right {WIDE}"),
            ("Success", f"w-24 text-right {WIDE}"),
            ("Last run", f"w-32 text-right {WIDE}"),
            ("", "w-10"),
        ],
        rx.foreach(Agents.rows, _agent),
        label="Agents",
    )
    content = rx.cond(
        Agents.loading,
        skeleton_rows(6),
        rx.cond(
            length(Agents.rows) > 0,
            rx.fragment(listing, pager(Agents.more, Agents.load_more, Agents.loading_more)),
            _nothing(),
        ),
    )
    return shell(
        page_header(
            "Agents",
            rx.cond(
                Shell.can_write,
                button("New agent", kind="primary", icon_name="plus", on_click=Agents.open_new("blank")),
            ),
        ),
        rx.cond(
            Agents.failure.status > 0,
            failure_state(Agents.failure, Agents.load),
            rx.fragment(
                rx.el.div(
                    search_input(Agents.search, Agents.set_search, label="Search agents"),
                    select(Agents.status, statuses, Agents.set_status, label="Status"),
                    class_name="flex flex-wrap gap-2 mb-3",
                ),
                card(content, class_name="overflow-hidden"),
            ),
        ),
        _new_dialog(),
        confirm_dialog(
            "Archive " + Agents.leaving.name + "?",
            "It no longer runs and leaves the list. Its runs stay, and it can be brought back.",
            "Archive",
            is_open=Agents.confirm_open,
            on_open_change=Agents.set_confirm_open,
            on_confirm=Agents.archive,
        ),
        active="/agents",
    )
