"""/operator: for the operator of the installation."""

import reflex as rx

from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.card import card, section
from agentflow_app.ui.components.dialog import confirm_dialog
from agentflow_app.ui.components.field import form_error, search_input, text_input
from agentflow_app.ui.components.header import page_header
from agentflow_app.ui.components.menu import menu_item, row_menu
from agentflow_app.ui.components.states import empty_state, failure_state, skeleton_rows
from agentflow_app.ui.components.status import status_badge
from agentflow_app.ui.components.table import WIDE, cell, length, row, table
from agentflow_app.ui.operator.state import Operator, UsageRow
from agentflow_app.ui.shell import shell

_NUMBER = f"text-right tabular-nums text-gray-11 {WIDE}"


def _health() -> rx.Component:
    return rx.el.dl(
        rx.foreach(
            Operator.health,
            lambda each: rx.el.div(
                rx.el.dt(each[0], class_name="text-sm text-gray-11"),
                rx.el.dd(each[1], class_name="text-md font-semibold text-gray-12 tabular-nums"),
                class_name="px-4 py-3",
            ),
        ),
        class_name="grid grid-cols-2 md:grid-cols-6",
    )


def _organization(each: UsageRow) -> rx.Component:
    return row(
        cell(
            rx.el.span(each.name, class_name="font-medium text-gray-12"),
            rx.el.span(each.slug, " · ", each.plan, class_name="block text-sm text-gray-11 truncate"),
            class_name="max-w-0 w-full truncate py-1.5",
        ),
        cell(status_badge(status=each.status)),
        cell(each.members, class_name=_NUMBER),
        cell(each.agents, class_name=_NUMBER),
        cell(each.executions, class_name=_NUMBER),
        cell(each.failures, class_name=_NUMBER),
        cell(each.spent, class_name=f"{_NUMBER} whitespace-nowrap"),
        cell(each.storage, class_name=f"{_NUMBER} whitespace-nowrap"),
        cell(
            row_menu(
                "More about " + each.name,
                rx.cond(
                    each.status == "active",
                    menu_item("circle-pause", "Suspend…", Operator.ask(each.id), danger=True),
                    menu_item("circle-play", "Bring back", Operator.restore(each.id)),
                ),
            ),
            class_name="w-10 !pl-0",
        ),
        key=each.id,
        data_organization=each.slug,
    )


def _account() -> rx.Component:
    account = Operator.account
    found = rx.el.div(
        rx.el.div(
            rx.el.div(account.name, class_name="font-medium text-gray-12"),
            rx.el.div(account.email, class_name="text-sm text-gray-11 break-all"),
        ),
        rx.cond(
            account.active,
            button("Lock out…", on_click=Operator.set_locking(True)),
            button("Let in again", on_click=Operator.set_account("active")),
        ),
        class_name="flex items-center justify-between gap-4",
    )
    return section(
        "A person",
        rx.el.div(
            rx.el.form(
                text_input(
                    "operator-email",
                    name="email",
                    type="email",
                    required=True,
                    placeholder="E-mail address",
                    aria_label="E-mail address",
                    class_name="sm:max-w-72",
                ),
                button("Find", type="submit"),
                on_submit=Operator.find_account,
                class_name="flex gap-2",
            ),
            form_error(Operator.account_error),
            rx.cond(account.id, found),
            class_name="flex flex-col gap-4 p-4",
        ),
    )


def operator_page() -> rx.Component:
    organizations = card(
        rx.cond(
            length(Operator.rows) > 0,
            table(
                [
                    ("Organization", ""),
                    ("Status", ""),
                    ("Members", f"!text-right {WIDE}"),
                    ("Agents", f"!text-right {WIDE}"),
                    ("Runs", f"!text-right {WIDE}"),
                    ("Failed", f"!text-right {WIDE}"),
                    ("Spent", f"!text-right {WIDE}"),
                    ("Storage", f"!text-right {WIDE}"),
                    ("", "w-10"),
                ],
                rx.foreach(Operator.rows, _organization),
                label="Organizations",
            ),
            empty_state("search-x", "No organization fits", "Try another name."),
        ),
        class_name="overflow-hidden",
    )
    return shell(
        page_header(
            "Operator",
            subtitle="Health and usage in figures, runs and spending of the last 24 hours. "
            "What is in an organization stays closed.",
        ),
        rx.cond(
            Operator.failure.status > 0,
            failure_state(Operator.failure, Operator.load),
            rx.cond(
                Operator.loading,
                card(skeleton_rows(6)),
                rx.el.div(
                    card(_health(), class_name="overflow-hidden"),
                    search_input(Operator.search, Operator.set_search, label="Search organizations"),
                    organizations,
                    _account(),
                    class_name="flex flex-col gap-4",
                ),
            ),
        ),
        confirm_dialog(
            "Suspend " + Operator.target.name + "?",
            "Its members, keys and webhooks are shut out at once, and its runs stop until you bring it back.",
            "Suspend",
            is_open=Operator.asking,
            on_open_change=Operator.set_asking,
            on_confirm=Operator.suspend,
        ),
        confirm_dialog(
            "Lock " + Operator.account.name + " out?",
            "They lose access to all of their organizations at once, and their API keys stop working.",
            "Lock out",
            is_open=Operator.locking,
            on_open_change=Operator.set_locking,
            on_confirm=Operator.set_account("deactivated"),
        ),
        active="/operator",
    )
