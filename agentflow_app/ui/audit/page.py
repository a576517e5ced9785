"""Settings → Audit log."""

from typing import Any

import reflex as rx

from agentflow_app.ui.audit.state import AREAS, Audit, EntryRow, spelled
from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.card import card
from agentflow_app.ui.components.dialog import dialog
from agentflow_app.ui.components.field import search_input, select
from agentflow_app.ui.components.icon import icon
from agentflow_app.ui.components.relative_time import relative_time
from agentflow_app.ui.components.states import empty_state, failure_state, skeleton_rows
from agentflow_app.ui.components.table import WIDE, cell, length, pager, row, table
from agentflow_app.ui.settings.frame import settings_page

ACTIVE = "/settings/audit"


def _entry(entry: EntryRow) -> rx.Component:
    return row(
        cell(
            rx.el.button(
                entry.what,
                type="button",
                on_click=Audit.show(entry.id),
                # The whole row is the target; the link's text is what is read out.
                class_name="font-medium text-gray-12 text-left truncate after:absolute after:inset-0",
            ),
            rx.cond(entry.resource, rx.el.span(" ", entry.resource, class_name="text-gray-11")),
            rx.el.span(entry.who, class_name="block text-sm text-gray-11 truncate md:hidden"),
            class_name="max-w-0 w-full truncate py-1.5",
        ),
        cell(entry.who, class_name=f"text-gray-11 whitespace-nowrap {WIDE}"),
        cell(entry.address, class_name=f"font-mono text-sm text-gray-11 whitespace-nowrap {WIDE}"),
        cell(relative_time(value=entry.when), class_name="text-gray-11 whitespace-nowrap"),
        key=entry.id,
        data_entry=entry.what,
    )


def _fact(label: str, value: Any) -> rx.Component:
    return rx.cond(
        value,
        rx.el.div(
            rx.el.dt(label, class_name="w-24 shrink-0 text-gray-11"),
            rx.el.dd(value, class_name="min-w-0 break-words text-gray-12"),
            class_name="flex gap-3 py-1 text-base",
        ),
    )


def _entry_dialog() -> rx.Component:
    shown = Audit.shown
    return dialog(
        shown.what,
        rx.el.dl(
            _fact("Who", shown.who),
            _fact("E-mail", shown.email),
            _fact("About", shown.about),
            _fact("Address", shown.address),
            _fact("Browser", shown.user_agent),
            _fact("When", shown.when),
            _fact("Hash", rx.el.code(shown.hash, class_name="font-mono text-sm break-all")),
        ),
        rx.cond(
            shown.details,
            rx.el.pre(
                shown.details,
                class_name=(
                    "af-scroll max-h-64 overflow-auto p-3 rounded-md bg-gray-2 border border-gray-a4 "
                    "font-mono text-sm text-gray-12 whitespace-pre-wrap break-words"
                ),
                tab_index=0,
                custom_attrs={"aria-label": "Details"},
            ),
        ),
        is_open=Audit.open_entry,
        on_open_change=Audit.set_open_entry,
        wide=True,
    )


def _chain() -> rx.Component:
    whole = rx.el.span(
        icon("shield-check", size=14, class_name="text-green-11"),
        f"{Audit.entries} entries, each sealed to the one before; none was changed.",
        class_name="inline-flex items-center gap-1.5",
    )
    broken = rx.el.span(
        icon("shield-alert", size=14),
        f"Entry {Audit.broken_at} is not as it was written. Ask whoever runs this installation.",
        class_name="inline-flex items-center gap-1.5 text-red-11 font-medium",
        role="alert",
    )
    return rx.el.p(rx.cond(Audit.intact, whole, broken), class_name="text-sm text-gray-11")


def audit_page() -> rx.Component:
    filters = rx.el.div(
        search_input(Audit.search, Audit.set_search, label="Search the log"),
        select(
            Audit.area,
            [("", "Everything"), *((area, spelled(area)) for area in AREAS)],
            Audit.set_area,
            label="What it concerns",
        ),
        rx.el.div(
            button("CSV", icon_name="download", on_click=Audit.export("csv")),
            button("JSON", icon_name="download", on_click=Audit.export("jsonl")),
            class_name="flex gap-2 sm:ml-auto",
        ),
        class_name="flex flex-wrap gap-2",
    )
    entries = rx.cond(
        length(Audit.rows) > 0,
        rx.fragment(
            table(
                [("What", ""), ("Who", WIDE), ("From", WIDE), ("When", "")],
                rx.foreach(Audit.rows, _entry),
                label="Audit log",
            ),
            pager(Audit.more, Audit.load_more, False),
        ),
        empty_state("scroll-text", "Nothing found", "Every change that people and keys make is noted here."),
    )
    content = rx.fragment(
        filters,
        card(rx.cond(Audit.loading, skeleton_rows(), entries), class_name="overflow-hidden"),
        rx.cond(Audit.loading, rx.fragment(), _chain()),
        _entry_dialog(),
    )
    return settings_page(
        "Audit log",
        rx.cond(Audit.failure.status > 0, failure_state(Audit.failure, Audit.load), content),
        active=ACTIVE,
        subtitle="Who did what, from where. Nobody can change it.",
    )
